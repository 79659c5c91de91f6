"""Print the milliseconds that a SavedModel of a classifier takes for the bytes of a photo, on one core.

benchmarks/photo_latency.py SAVED_MODEL PHOTO...
"""

import os
import statistics
import sys
import time
from pathlib import Path

_CORE = 0
_WARM_UP = 3  # photos


def main() -> None:
    folder, *photos = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {_CORE})
    import tensorflow as tf

    answer = tf.saved_model.load(folder).signatures["serving_bytes"]
    seconds = []
    for photo in photos:
        encoded = tf.constant([Path(photo).read_bytes()])
        begin = time.perf_counter()
        answer(encoded=encoded)
        seconds.append(time.perf_counter() - begin)
    print(f"{1000 * statistics.median(seconds[_WARM_UP:]):.0f}")


if __name__ == "__main__":
    main()

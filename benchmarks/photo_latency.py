"""Print the milliseconds that a SavedModel of a classifier takes for the bytes of a photo, on one core.

benchmarks/photo_latency.py SAVED_MODEL PHOTO...
"""

import argparse
import os
import statistics
import time
from pathlib import Path

_CORE = 0
_WARM_UP = 3  # photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("saved_model")
    parser.add_argument("photos", nargs="+", type=Path)
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {_CORE})
    import tensorflow as tf

    answer = tf.saved_model.load(asked.saved_model).signatures["serving_bytes"]
    seconds = []
    for photo in asked.photos:
        encoded = tf.constant([photo.read_bytes()])
        begin = time.perf_counter()
        answer(encoded=encoded)
        seconds.append(time.perf_counter() - begin)
    print(f"{1000 * statistics.median(seconds[_WARM_UP:]):.0f}")


if __name__ == "__main__":
    main()

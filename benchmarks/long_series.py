"""Peak memory and seconds of a whole run on one long series: 10 million observations, or as many as given.

    benchmarks/long_series.py [observations]

Writes a Parquet file, runs `gristmill run` on it in a folder of its own and prints what the operating system counted.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

GRISTMILL = str(Path(sys.executable).with_name("gristmill"))
PIPELINE = """
[defaults]
store = "store"

[pipelines.long]
domain = "timeseries"
source = { kind = "parquet", path = "long.parquet" }
ingest = { time = "minute", target = "load" }
preprocess = { history = 30, validation = 0.01, test = 0.01 }
model = { kind = "dense", units = [10, 10] }
train = { epochs = 1, batch_size = 1024 }
evaluate = { season = 1440, ar_order = 5 }
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        minutes = pd.date_range("2000-01-01", periods=count, freq="min")
        load = 10 + np.sin(np.arange(count) * 2 * np.pi / 1440) + random.normal(0, 0.1, count)
        pd.DataFrame({"minute": minutes, "load": load.astype("float32")}).to_parquet(Path(folder, "long.parquet"))
        Path(folder, "pipelines.toml").write_text(PIPELINE)
        started = time.perf_counter()
        done = subprocess.run(
            [GRISTMILL, "-q", "run", "long", "--json"],
            cwd=folder,
            env=os.environ | {"GRISTMILL_STORE": str(Path(folder, "store"))},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - started
    stages = {name: round(stage["seconds"], 1) for name, stage in json.loads(done.stdout)["stages"].items()}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # of the largest process; KiB on Linux
    print(f"{count:,} observations: peak RSS {peak:.2f} GiB, {seconds:.0f} s in all; {stages}")


if __name__ == "__main__":
    main()

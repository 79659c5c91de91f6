"""Many small series, or many small photos, in parts that are spread over workers, and the same parts one by one.

    benchmarks/wide.py series [count] [parts] [runner...]     10,000 series of 60 months in 8 parts if not given
    benchmarks/wide.py photos [count] [parts] [runner...]     100,000 photos of 32 x 32 in 8 parts if not given

A runner is `1`, `2`, `4`: so many processes; `dask:2`: a Dask cluster on this machine of so many workers; or
`tcp://host:8786`: one that runs. Each runs the same pipelines, a part each, in a store of its own, with one thread of
TensorFlow a process; what they make is compared by digest. Prints seconds of the whole command and parts of a second.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

GRISTMILL = str(Path(sys.executable).with_name("gristmill"))
COUNTS = {"series": 10_000, "photos": 100_000}
PARTS = 8
RUNNERS = ("1", "2", "dask:2")
MONTHS = 60
SIDE = 32
PIPELINES = {
    "series": """
[pipelines.part{part}]
domain = "timeseries"
source = {{ kind = "parquet", path = "part{part}.parquet" }}
ingest = {{ time = "month", target = "value", series = "name" }}
preprocess = {{ history = 12, horizon = 3, validation = 6, test = 12, normalise = "mean" }}
model = {{ kind = "dense", units = [16] }}
train = {{ epochs = 1, batch_size = 256 }}
evaluate = {{ season = 12 }}
export = {{ formats = ["keras"] }}
""",
    "photos": """
[pipelines.part{part}]
domain = "vision"
source = {{ kind = "folder", path = "part{part}" }}
preprocess = {{ size = 32, validation = 0.05, test = 0.05 }}
model = {{ kind = "dense", units = [16] }}
train = {{ epochs = 1, batch_size = 256 }}
export = {{ formats = ["keras"] }}
""",
}


def write_series(folder: Path, part: int, count: int) -> None:
    """Write a part's series: a level, a trend and a year of its own, and noise."""
    random, steps = np.random.default_rng(part), np.arange(MONTHS)
    level, slope, swing, phase = random.uniform(size=(4, count, 1))
    values = 50 * level + slope * steps + 10 * swing * np.sin(2 * np.pi * (steps / 12 + phase))
    values += random.normal(size=values.shape)
    frame = pd.DataFrame(
        {
            "name": np.repeat([f"s{part}-{number}" for number in range(count)], MONTHS),
            "month": np.tile(pd.date_range("2019-01-01", periods=MONTHS, freq="MS"), count),
            "value": values.ravel(),
        }
    )
    frame.to_parquet(folder / f"part{part}.parquet")


def write_photos(folder: Path, part: int, count: int) -> None:
    """Write a part's photos of smooth colours, warm or cold as their class says."""
    random = np.random.default_rng(part)
    for number in range(count):
        colours = random.integers(0, 200, (4, 4, 3), np.uint8)
        colours[..., 2 * (number % 2)] += 50
        place = folder / f"part{part}" / ("warm", "cold")[number % 2] / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place)


def runner_table(runner: str) -> str:
    """Return the table `[runner]` of a runner as it is given on the command line."""
    lines = ["[runner]", "threads = 1"]
    if runner.isdigit():
        return "\n".join([*lines, f"workers = {runner}", ""])
    where = f"workers = {runner.removeprefix('dask:')}" if runner.startswith("dask:") else f'address = "{runner}"'
    return "\n".join([*lines, 'kind = "dask"', where, ""])


def timed(folder: Path, pipelines: str, parts: int, runner: str) -> tuple[float, list[str]]:
    """Run all parts by a runner in a store of its own, and return the seconds and the digests of all they made."""
    (folder / "pipelines.toml").write_text(runner_table(runner) + pipelines)
    store = folder / "store" / runner.replace("/", "-").replace(":", "-")
    names = [f"part{part}" for part in range(parts)]
    began = time.perf_counter()
    done = subprocess.run(
        [GRISTMILL, "-q", "run", *names, "--json"],
        cwd=folder,
        env=os.environ | {"GRISTMILL_STORE": str(store)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - began
    runs = json.loads(done.stdout)
    references = [stage["reference"] for run in runs for stage in run["stages"].values()]
    # A bundle's files hold when they were written: of it, what it was made of.
    return seconds, [found["key" if found["stage"] == "export" else "digest"] for found in references]


def main(what: str, count: int, parts: int, runners: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder, first = Path(temporary), list[str]()
        for part in range(parts):
            {"series": write_series, "photos": write_photos}[what](folder, part, count // parts)
        pipelines = "".join(PIPELINES[what].format(part=part) for part in range(parts))
        for runner in runners:
            seconds, digests = timed(folder, pipelines, parts, runner)
            first = first or digests
            same = "the same bytes" if digests == first else "OTHER BYTES"
            print(
                f"{count:,} {what} in {parts} parts by {runner}: {seconds:.0f} s, {count / seconds:,.1f}/s, {same}",
                flush=True,
            )


if __name__ == "__main__":
    _what, *_rest = sys.argv[1:] or ["series"]
    _numbers = [int(word) for word in _rest[:2]]
    _count, _parts = (*_numbers, *(COUNTS[_what], PARTS)[len(_numbers) :])
    main(_what, _count, _parts, _rest[2:] or list(RUNNERS))

"""Compare runners on many small series or photos: one process, several processes, and Dask.

    benchmarks/wide.py [series photos] [--count N] [--parts 8] [--runners 1 2 dask:2] [--rounds 1] [--write]

By default, there are 10,000 series of 60 months and 100,000 photos of 32 x 32 pixels, each in 8 pipelines. A runner is
a number of processes (`1`, `2`), a Dask cluster on this machine with a number of workers (`dask:2`), or the address of
a running cluster (`tcp://host:8786`). Each runner runs the same pipelines with a new store and one TensorFlow thread
per process. Their artifacts are compared by digest.
"""

import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import GRISTMILL, arguments, in_turn, process, table, tell
from PIL import Image

COUNTS = {"series": 10_000, "photos": 100_000}
RUNNERS = ["1", "2", "dask:2"]
MONTHS = 60
SIDE = 32
PIPELINES = {
    "series": """
[pipelines.part{part}]
domain = "timeseries"
source = {{ kind = "parquet", path = "part{part}.parquet" }}
ingest = {{ time = "month", target = "value", series = "name" }}
preprocess = {{ history = 12, horizon = 3, validation = 6, test = 12, normalise = "mean", season = 12 }}
model = {{ kind = "dense", units = [16] }}
train = {{ epochs = 1, batch_size = 256 }}
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
    """Write the series of one part, each with its own level, trend, yearly wave and noise."""
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
    """Write the photos of one part: smooth colours in two classes, warm and cold."""
    random = np.random.default_rng(part)
    for number in range(count):
        colours = random.integers(0, 200, (4, 4, 3), np.uint8)
        colours[..., 2 * (number % 2)] += 50
        place = folder / f"part{part}" / ("warm", "cold")[number % 2] / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place)


def runner_table(runner: str) -> str:
    """Return the table `[runner]` for a runner of the command line."""
    lines = ["[runner]", "threads = 1"]
    if runner.isdigit():
        return "\n".join([*lines, f"workers = {runner}", ""])
    where = f"workers = {runner.removeprefix('dask:')}" if runner.startswith("dask:") else f'address = "{runner}"'
    return "\n".join([*lines, 'kind = "dask"', where, ""])


def timed(folder: Path, pipelines: str, parts: int, runner: str) -> tuple[float, list[str]]:
    """Run all parts with a runner and a new store; return the seconds and the digests of the artifacts."""
    (folder / "pipelines.toml").write_text(runner_table(runner) + pipelines)
    names = [f"part{part}" for part in range(parts)]
    with tempfile.TemporaryDirectory() as store:
        done = process([GRISTMILL, "-q", "run", *names, "--json"], folder, GRISTMILL_STORE=store)
    read = json.loads(done.printed)
    references = [stage["reference"] for run in (read if parts > 1 else [read]) for stage in run["stages"].values()]
    # The files of a bundle contain their time of writing, so the key of the bundle is compared instead.
    return done.seconds, [found["key" if found["stage"] == "export" else "digest"] for found in references]


def rows(what: str, count: int, parts: int, runners: list[str], rounds: int) -> list[list[str]]:
    """Run the same parts with each runner in turn; return one row of the table for each."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        for part in range(parts):
            {"series": write_series, "photos": write_photos}[what](folder, part, count // parts)
        pipelines = "".join(PIPELINES[what].format(part=part) for part in range(parts))
        found = in_turn({runner: partial(timed, folder, pipelines, parts, runner) for runner in runners}, rounds)
    first = statistics.median(seconds for seconds, _ in found[runners[0]])
    _, expected = found[runners[0]][0]
    told = []
    for runner, done in found.items():
        seconds = statistics.median(seconds for seconds, _ in done)
        same = "identical" if all(digests == expected for _, digests in done) else "DIFFERENT"
        work = [f"{count:,} {what}", str(parts), f"`{runner}`", f"{seconds:.0f}", f"{count / seconds:,.0f}"]
        told.append([*work, f"{first / seconds:.2f}", same])
    return told


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("kinds", nargs="*", default=list(COUNTS), metavar="|".join(COUNTS))
    parser.add_argument("--count", type=int, help="number of series or photos in all parts together")
    parser.add_argument("--parts", type=int, default=8, help="number of pipelines")
    parser.add_argument("--runners", nargs="+", default=RUNNERS)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - COUNTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}. Known: {', '.join(COUNTS)}.")
    found: list[list[str]] = []
    for kind in asked.kinds:
        found += rows(kind, asked.count or COUNTS[kind], asked.parts, asked.runners, asked.rounds)
    columns = ["data", "pipelines", "runner", "s", "items/s", "times as fast", "results"]
    tell("Wide runs", table(columns, found), asked.write)


if __name__ == "__main__":
    main()

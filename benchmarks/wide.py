"""Many small series, or many small photos, spread over workers, and the same work one after the other.

    benchmarks/wide.py [series photos] [--count N] [--parts 8] [--runners 1 2 dask:2] [--rounds 1] [--write]

By default 10,000 series of 60 months and 100,000 photos of 32 x 32, each in 8 parts, a pipeline a part. A runner is
`1`, `2`, `4`: so many processes; `dask:2`: a Dask cluster on this machine of so many workers; or `tcp://host:8786`: one
that runs. Each runs the same pipelines in a store of its own, with one thread of TensorFlow a process; what they make
is compared by digest.
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
    """Run all parts by a runner in a new store, and return the seconds and the digests of all they made."""
    (folder / "pipelines.toml").write_text(runner_table(runner) + pipelines)
    names = [f"part{part}" for part in range(parts)]
    with tempfile.TemporaryDirectory() as store:
        done = process([GRISTMILL, "-q", "run", *names, "--json"], folder, GRISTMILL_STORE=store)
    read = json.loads(done.printed)
    references = [stage["reference"] for run in (read if parts > 1 else [read]) for stage in run["stages"].values()]
    # A bundle's files hold when they were written: of it, what it was made of.
    return done.seconds, [found["key" if found["stage"] == "export" else "digest"] for found in references]


def rows(what: str, count: int, parts: int, runners: list[str], rounds: int) -> list[list[str]]:
    """Run the same parts by each runner in turn and return a row of the table for each."""
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
    parser.add_argument("--count", type=int, help="of series or photos, in all parts together")
    parser.add_argument("--parts", type=int, default=8, help="pipelines")
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

"""Compare runners on many small series or photos: one process, several processes, and Dask.

    benchmarks/wide.py [series photos] [--count N] [--parts 8] [--runners 1 2 dask:2 s3:1 s3:2] [--rounds 1] [--write]

By default, there are 10,000 series of 60 months and 100,000 photos of 32 x 32 pixels, each in 8 pipelines. A runner is
a number of processes (`1`, `2`), a Dask cluster on this machine with a number of workers (`dask:2`), or the address of
a running cluster (`tcp://host:8786`). `s3:1` and `s3:2` are Dask workers that share nothing but a store on an S3 server
of this machine: each has its own cache, as on a machine of its own. Each runner runs the same pipelines with a new
store and one TensorFlow thread per process. Their artifacts are compared by digest, and their seconds with those of the
first runner; those of `s3:2` with `s3:1`. A cluster with S3 and its server run before the clock starts, and share the
cores of the workers.
"""

import json
import logging
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from distributed import Nanny, Scheduler, SpecCluster
from measuring import GRISTMILL, arguments, in_turn, process, table, tell
from moto.server import ThreadedMotoServer
from PIL import Image

COUNTS = {"series": 10_000, "photos": 100_000}
RUNNERS = ["1", "2", "dask:2", "s3:1", "s3:2"]
BUCKET = "wide"
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
    names = [f"part{part}" for part in range(parts)]
    with started(runner) as (address, environment):
        (folder / "pipelines.toml").write_text(runner_table(address) + pipelines)
        done = process([GRISTMILL, "-q", "run", *names, "--json"], folder, **environment)
    read = json.loads(done.printed)
    references = [stage["reference"] for run in (read if parts > 1 else [read]) for stage in run["stages"].values()]
    return done.seconds, [found["digest"] for found in references]


@contextmanager
def started(runner: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Start what a runner needs; yield the runner of the command line and the variables that name a new store."""
    with tempfile.TemporaryDirectory() as below:
        if not runner.startswith("s3:"):
            yield runner, {"GRISTMILL_STORE": below}
            return
        with s3_server() as server:
            variables = server | {"GRISTMILL_STORE": f"s3://{BUCKET}/{Path(below).name}"}
            with workers(Path(below), int(runner.removeprefix("s3:")), variables) as address:
                yield address, variables | {"GRISTMILL_CACHE": f"{below}/client"}


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Serve a bucket; yield the environment variables that point to it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        variables = {f"AWS_{name}": "test" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
        variables |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        httpx.put(f"{variables['AWS_ENDPOINT_URL']}/{BUCKET}").raise_for_status()
        yield variables
    finally:
        server.stop()


@contextmanager
def workers(folder: Path, count: int, variables: dict[str, str]) -> Iterator[str]:
    """Start Dask workers, each with a cache of its own; yield the scheduler's address."""

    def worker(number: int) -> dict[str, Any]:
        own = variables | {"GRISTMILL_CACHE": f"{folder}/{number}", "DASK_LOGGING__DISTRIBUTED": "critical"}
        return {"cls": Nanny, "options": {"host": "127.0.0.1", "nthreads": 1, "memory_limit": 0, "env": own}}

    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    specified = {number: worker(number) for number in range(count)}
    with SpecCluster(specified, scheduler, silence_logs=logging.CRITICAL) as cluster:
        yield cluster.scheduler_address


def rows(what: str, count: int, parts: int, runners: list[str], rounds: int) -> list[list[str]]:
    """Run the same parts with each runner in turn; return one row of the table for each."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        for part in range(parts):
            {"series": write_series, "photos": write_photos}[what](folder, part, count // parts)
        pipelines = "".join(PIPELINES[what].format(part=part) for part in range(parts))
        found = in_turn({runner: partial(timed, folder, pipelines, parts, runner) for runner in runners}, rounds)
    medians = {runner: statistics.median(seconds for seconds, _ in done) for runner, done in found.items()}
    _, expected = found[runners[0]][0]
    told = []
    for runner, done in found.items():
        seconds = medians[runner]
        one = medians.get("s3:1") if runner.startswith("s3:") else medians[runners[0]]
        same = "identical" if all(digests == expected for _, digests in done) else "DIFFERENT"
        work = [f"{count:,} {what}", str(parts), f"`{runner}`", f"{seconds:.0f}", f"{count / seconds:,.0f}"]
        told.append([*work, f"{one / seconds:.2f}" if one else "–", same])
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

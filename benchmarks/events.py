"""Measure how soon `gristmill schedule` has retrained after an event.

    benchmarks/events.py [--rounds 5] [--write]

A series of the samples grows by three years with each event, enough to judge a new model. The seconds count from the
end of `gristmill updated` to the end of the run, and include up to 2 s in which the schedule does not ask for due runs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from measuring import GRISTMILL, ROOT, arguments, process, table, tell

from gristmill.project.project import Project
from gristmill.runs.records import Runs

PIPELINE = """
[pipelines.small]
domain = "timeseries"
source = { kind = "csv", path = "series.csv" }
ingest = { time = "month", target = "sunspots" }
preprocess = { history = 60, validation = 300, test = 235 }
model = { kind = "dense", units = [20, 10] }
train = { epochs = 30, batch_size = 64, seed = 42 }
schedule = { on_event = true }
"""
KNOWN, NEW = 2000, 36  # observations
_SECONDS_TO_START = 15  # of the schedule and its server


class Event(NamedTuple):
    """Seconds from an event to the start of the run's record, and to its end."""

    to_start: float
    to_end: float


def respond(folder: Path) -> Event:
    """Announce new data and wait until the pipeline has been retrained."""
    runs = Runs(Project.open(folder).catalogue.store)
    before = {record.id for record in runs.newest_first("small")}
    with (folder / "series.csv").open("r+") as file:
        known = len(file.readlines())
        file.writelines(observations()[known : known + NEW])
    process([GRISTMILL, "updated", "small"], folder)
    begun = time.time()
    while True:
        new = next((one for one in runs.newest_first("small") if one.id not in before), None)
        if new and new.finished:
            break
        time.sleep(0.05)
    if "evaluate" not in new.stages:
        sys.exit(f"run {new.id} {new.outcome} ({new.retraining and new.retraining.verdict})")
    return Event(new.started.timestamp() - begun, new.finished.timestamp() - begun)


def observations() -> list[str]:
    """Return the header and the lines of the sample."""
    return (ROOT / "data/samples/sunspots.csv").read_text().splitlines(keepends=True)


@contextmanager
def scheduled(folder: Path) -> Iterator[None]:
    """Run `gristmill schedule` in a project."""
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([GRISTMILL, "schedule"], cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            running.terminate()
            running.wait()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        os.environ.pop("PREFECT_API_URL", None)
        os.environ["GRISTMILL_STORE"] = str(folder / "store")
        (folder / "pipelines.toml").write_text(PIPELINE)
        (folder / "series.csv").write_text("".join(observations()[:KNOWN]))
        process([GRISTMILL, "run", "small"], folder)
        with scheduled(folder):
            time.sleep(_SECONDS_TO_START)
            respond(folder)  # byte code, and the page cache
            events = [respond(folder) for _ in range(given.rounds)]
    starts, ends = ([event[at] for event in events] for at in range(2))
    row = [f"{statistics.median(starts):.2f}", f"{statistics.median(ends):.2f}", f"{min(ends):.2f}"]
    tell("Events", table(["median s to its start", "median s to its end", "fastest s"], [row]), given.write)


if __name__ == "__main__":
    main()

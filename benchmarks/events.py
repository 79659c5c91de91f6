"""Measure how soon `gristmill schedule` has retrained after an event, with its idle process and with a new process.

    benchmarks/events.py [--rounds 5] [--write]

A series of the samples grows by three years with each event, enough to judge a new model. The seconds count from the
end of `gristmill updated` to the end of the run, and include up to 2 s in which the schedule does not ask for due runs.
After an edit of `pipelines.toml`, the run does not use what the idle process has loaded, so every second run is as it
would be without it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
from measuring import GRISTMILL, ROOT, arguments, in_turn, process, table, tell

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
IDLE = "gristmill.prefect_runtime.idle_process"
WAYS = {"new": True, "idle": False}  # process of the run, and whether to edit pipelines.toml before
KNOWN, NEW = 2000, 36  # observations


class Event(NamedTuple):
    """Seconds from an event to the start of the run's record, and to its end."""

    to_start: float
    to_end: float


def respond(folder: Path, schedule: psutil.Process, edit: bool) -> Event:
    """Announce new data and wait until the pipeline has been retrained."""
    idle = wait_for_idle(schedule)
    runs = Runs(Project.open(folder).catalogue.store)
    before = {record.id for record in runs.newest_first("small")}
    with (folder / "series.csv").open("r+") as file:
        known = len(file.readlines())
        file.writelines(observations()[known : known + NEW])
    if edit:
        (folder / "pipelines.toml").write_text(PIPELINE)
    process([GRISTMILL, "updated", "small"], folder)
    begun = time.time()
    while True:
        new = next((one for one in runs.newest_first("small") if one.id not in before), None)
        if new and new.finished:
            break
        time.sleep(0.05)
    if new.pid != idle.pid or "evaluate" not in new.stages:
        verdict = new.retraining and new.retraining.verdict
        sys.exit(f"run {new.id} {new.outcome} ({verdict}), process {new.pid} instead of the idle {idle.pid}")
    return Event(new.started.timestamp() - begun, new.finished.timestamp() - begun)


def wait_for_idle(schedule: psutil.Process) -> psutil.Process:
    """Return the idle process as soon as it has loaded everything: it no longer uses CPU time."""
    before = -1.0
    while True:
        time.sleep(2)
        used = 0.0
        for one in schedule.children():
            with suppress(psutil.NoSuchProcess):  # the process of the last run has just ended
                if IDLE in one.cmdline():
                    used = sum(one.cpu_times()[:2])
                    if used == before:
                        return one
        before = used


def observations() -> list[str]:
    """Return the header and the lines of the sample."""
    return (ROOT / "data/samples/sunspots.csv").read_text().splitlines(keepends=True)


@contextmanager
def scheduled(folder: Path) -> Iterator[psutil.Process]:
    """Run `gristmill schedule` in a project."""
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([GRISTMILL, "schedule"], cwd=folder, stdout=log, stderr=log)
        try:
            yield psutil.Process(running.pid)
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
        with scheduled(folder) as schedule:
            ways = {name: partial(respond, folder, schedule, edit) for name, edit in WAYS.items()}
            in_turn(ways, 1)  # byte code, and the page cache
            found = in_turn(ways, given.rounds)
            memory = wait_for_idle(schedule).memory_full_info().pss / 2**20
    rows = []
    for name, events in found.items():
        starts, ends = ([event[at] for event in events] for at in range(2))
        rows.append([name, *(f"{statistics.median(each):.2f}" for each in (starts, ends)), f"{min(ends):.2f}"])
    lines = table(["process of the run", "median s to its start", "median s to its end", "fastest s"], rows)
    tell("Events", [*lines, "", f"The idle process holds {memory:.0f} MiB (PSS)."], given.write)


if __name__ == "__main__":
    main()

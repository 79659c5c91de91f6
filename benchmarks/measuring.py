"""Code that benchmarks share: timing of whole processes, tables, and the sections of results.md."""

import argparse
import contextlib
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results.md"
GRISTMILL = str(Path(sys.executable).with_name("gristmill"))

T = TypeVar("T")

_BEGIN, _END = "<!-- measured -->", "<!-- end -->"  # around the text that a benchmark wrote into results.md
_LOAD = os.getloadavg()[0]  # the machine's load before this benchmark adds to it
_PAUSE = 0.1  # seconds between two measurements of memory
_LIBRARIES = ("tensorflow", "keras", "prefect")
_NUMBER = re.compile(r"[-+–]?[\d.,]*( ?%)?")


@dataclass(frozen=True)
class Process:
    """Duration, peak memory and output of a process, including the processes that it started."""

    began: float  # seconds since 1970
    seconds: float
    cpu: float  # seconds of user and system time
    peak: float  # MiB of all processes together
    printed: str

    @property
    def ended(self) -> float:
        """Time of the end, in seconds since 1970."""
        return self.began + self.seconds


def process(command: Sequence[str], folder: Path = ROOT, proportional: bool = False, **environment: str) -> Process:
    """Run a command to its end; if it fails, end the benchmark with its output.

    The peak is the largest sum of the resident memory of all processes, measured ten times a second, or the kernel's
    maximum for one process if that is larger. Pages that two processes share are counted twice; with `proportional`,
    each process counts its share of them (PSS, on Linux only). Measuring that slows the processes down.
    """
    if proportional and sys.platform != "linux":
        sys.exit("Proportional memory (PSS) is measured on Linux only.")
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        began, clock = time.time(), time.perf_counter()
        running = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=printed, stderr=said)
        peak, over = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(running.pid, peak, over, proportional))
        watcher.start()
        _, status, usage = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - clock
        running.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watcher.join()
        for stream in (printed, said):
            stream.seek(0)
        if running.returncode:
            told = f"{printed.read()[-2000:]}{said.read()[-2000:]}"
            sys.exit(f"{' '.join(map(str, command))[:200]}: exit {running.returncode}\n{told}")
        largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Process(
            began,
            seconds,
            usage.ru_utime + usage.ru_stime,
            max(peak[0], 0 if proportional else largest) / 2**20,
            printed.read(),
        )


def _watch(pid: int, peak: list[int], over: threading.Event, proportional: bool) -> None:
    while not over.wait(_PAUSE):
        peak[0] = max(peak[0], resident(pid, proportional))


def resident(pid: int, proportional: bool = False) -> int:
    """Return the resident memory in bytes of a process and its descendants that still run.

    With `proportional`, shared pages are counted by share (PSS).
    """
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                total += one.memory_full_info().pss if proportional else one.memory_info().rss
    return total


@dataclass(frozen=True)
class Ran:
    """Run of `gristmill run`: its process, its record, and the measures of each stage from the manifests."""

    process: Process
    record: dict[str, Any]
    cores: dict[str, dict[str, float]]  # by stage: seconds, and peak_memory_mib of the process up to its end

    def score(self, metric: str) -> float:
        """Return a test score of the model."""
        return float(self.record["scores"]["model"]["test"][metric])


def run(
    name: str, store: Path, *assignments: str, folder: Path = ROOT, proportional: bool = False, **environment: str
) -> Ran:
    """Run a pipeline of the project in a folder with `gristmill run`; assignments change settings."""
    words = [word for assignment in assignments for word in ("--set", assignment)]
    command = [GRISTMILL, "-q", "run", name, "--json", *words]
    done = process(command, folder, proportional, **{"GRISTMILL_STORE": str(store)} | environment)
    record = json.loads(done.printed)
    return Ran(done, record, {stage: manifest(store, found)["measures"] for stage, found in record["stages"].items()})


def manifest(store: Path, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of the artifact of a recorded stage."""
    reference = stage["reference"]
    place = store / reference["stage"] / reference["key"][:2] / reference["key"] / "manifest.json"
    found: dict[str, Any] = json.loads(place.read_text())
    return found


def in_turn(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call each function in turn, round by round, so that the load of the machine affects all of them alike."""
    found: dict[str, list[T]] = {name: [] for name in ways}
    for _, (name, way) in itertools.product(range(rounds), ways.items()):
        found[name].append(way())
    return found


def machine() -> str:
    """Return date, machine and versions in one line."""
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"Measured {date.today()} on {os.cpu_count()} cores of {processor()}, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}; load {_LOAD:.1f} when it began."
    )


def processor() -> str:
    """Return the name of the processor if the system has it."""
    place = Path("/proc/cpuinfo")
    told = re.search(r"^model name\s*: (.*)$", place.read_text(), re.MULTILINE) if place.exists() else None
    return told[1].strip() if told else platform.processor() or platform.machine()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a Markdown table; columns that hold only numbers are aligned right."""
    cells = [[str(cell) for cell in row] for row in rows]
    right = [all(_NUMBER.fullmatch(row[at]) for row in cells) for at in range(len(columns))]
    rule = ["---:" if numbers else "---" for numbers in right]
    return [_line(columns), f"|{'|'.join(rule)}|", *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the results into their section of results.md")
    return parser


def tell(heading: str, lines: Sequence[str], write: bool) -> None:
    """Print results with machine and date and, with `write`, write them into their section of results.md."""
    lines = [*lines, "", machine()]
    print("\n".join(lines), flush=True)
    if write:
        RESULTS.write_text(replaced(RESULTS.read_text(), heading, lines))


def replaced(text: str, heading: str, lines: Sequence[str]) -> str:
    """Return `results.md` with the results of one section replaced; prose and other sections stay.

    Results are the text between two comments. A section without these comments gets them at its end. If the heading is
    missing, a section is added at the end of the file.
    """
    block = "\n".join([_BEGIN, "", *lines, "", _END])
    section = sections(text).get(heading)
    if section is None:
        return f"{text.rstrip()}\n\n## {heading}\n\n{block}\n"
    before, found, rest = section.partition(_BEGIN)
    new = f"{before}{block}{rest.partition(_END)[2]}" if found else f"{section.rstrip()}\n\n{block}\n\n"
    return text.replace(f"## {heading}\n{section}", f"## {heading}\n{new}").rstrip() + "\n"


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))

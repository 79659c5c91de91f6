"""Measure the speed of a selection: candidates one after the other and in parallel, and how well a budget is kept.

    benchmarks/candidates.py [--only NAME...] [--shares 0.6 0.3] [--write]

Each project is run with all candidates by one process and by two (`--jobs 2`), whose artifacts are compared by digest,
and then with budgets that are shares of the seconds of the first run. Every run has a new store, so nothing is known
of the times of its candidates. GRISTMILL_DATA and TFDS_DATA_DIR name the folders of the data.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import selection_projects as projects
from measuring import GRISTMILL, ROOT, Process, arguments, process, table, tell

SEED = 42
PROJECTS: dict[str, Callable[[Path], object]] = {
    "sarcasm, good": partial(projects.from_catalogue, pipeline="sarcasm", preset="good", seed=SEED),
    "sunspots_course, good": partial(projects.from_catalogue, pipeline="sunspots_course", preset="good", seed=SEED),
    "digits, quick": partial(projects.from_catalogue, pipeline="digits", preset="quick", seed=SEED),
    "fifa, quick": partial(projects.init, domain="tabular", data="fifa.csv"),
}


@dataclass(frozen=True)
class Selected:
    """Process of a run, and its record."""

    process: Process
    record: dict[str, Any]

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each artifact by its stage."""
        return {label: stage["reference"]["digest"] for label, stage in self.record["stages"].items()}

    @property
    def fitted(self) -> str:
        """How many candidates were fitted."""
        count = sum(label.startswith("train ") for label in self.record["stages"])
        return f"{count} of {count + len(self.record['untried'])}"


def selected(folder: Path, *options: str) -> Selected:
    """Run a project with a new store."""
    data = os.pathsep.join([os.environ.get("GRISTMILL_DATA", ""), str(ROOT)])
    with tempfile.TemporaryDirectory() as store:
        command = [GRISTMILL, "-q", "run", projects.NAME, "--json", *options]
        done = process(command, folder, GRISTMILL_DATA=data, GRISTMILL_STORE=store)
    return Selected(done, json.loads(done.printed))


def rows(name: str, shares: list[float]) -> Iterator[list[str]]:
    """Yield the rows of a project."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        PROJECTS[name](folder)
        first, second = (selected(folder, "--jobs", jobs) for jobs in ("1", "2"))
        seconds = first.process.seconds
        yield [name, "one process", *_cells(first), "1.00", ""]
        different = [label for label, digest in first.digests.items() if second.digests.get(label) != digest]
        same = f"different: {', '.join(different)}" if different else "identical"
        yield [name, "two processes", *_cells(second), f"{seconds / second.process.seconds:.2f}", same]
        for share in shares:
            budget = round(seconds * share)
            limited = selected(folder, "--budget", f"{budget}s")
            used = f"{limited.process.seconds / budget:.2f} of the budget"
            yield [name, f"budget of {budget} s", *_cells(limited), "", used]


def _cells(run: Selected) -> list[str]:
    return [f"{run.process.seconds:.0f}", f"{run.process.peak:,.0f}", run.fitted]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=list(PROJECTS), metavar="NAME", choices=PROJECTS)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.6, 0.3], help="of the seconds without a budget")
    given = parser.parse_args()
    found = [row for name in given.only for row in rows(name, given.shares)]
    columns = ["project", "run", "s", "peak MiB", "candidates", "times as fast", ""]
    tell("Candidates in parallel", table(columns, found), given.write)


if __name__ == "__main__":
    main()

"""Measure commands that find nothing to do: whole processes in turn, medians of five.

    benchmarks/nothing_to_do.py [--rounds 5] [--write]

`gristmill run`, `gristmill plan`, `gristmill ls` and shell completion, in a project of twelve pipelines that are all
fresh, are compared with Python that does nothing, and with Python that only imports Prefect. CPU time is user and
system time, which depends little on the load of the machine.
"""

import shutil
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import GRISTMILL, ROOT, arguments, in_turn, process, table, tell

PIPELINES = 12
PIPELINE = """
[pipelines.p{number}]
domain = "timeseries"
source = {{ kind = "csv", path = "series.csv" }}
ingest = {{ time = "month", target = "sunspots" }}
preprocess = {{ history = {number}, validation = 40, test = 40 }}
model = {{ kind = "linear" }}
train = {{ epochs = 1 }}
"""
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gristmill run p1": [GRISTMILL, "run", "p1"],
    "gristmill plan p1": [GRISTMILL, "plan", "p1"],
    "gristmill ls": [GRISTMILL, "ls"],
    "completion of gristmill run p": [GRISTMILL],
    "python -c 'import prefect'": [sys.executable, "-c", "import prefect"],
}
COMPLETION = {"_GRISTMILL_COMPLETE": "complete_bash", "COMP_WORDS": "gristmill run p", "COMP_CWORD": "2"}
AVOIDED = ("prefect", "tensorflow", "keras", "pandas", "numpy", "pyarrow")
LOADED = f"""
import atexit, sys
atexit.register(lambda: print([name for name in {AVOIDED} if name in sys.modules] or "none"))
from gristmill.cli.app import main
sys.argv = ["gristmill", "run", "p1"]
main()
"""


def make(folder: Path) -> None:
    """Write a project into a folder, and run all its pipelines."""
    shutil.copy(ROOT / "data/samples/sunspots.csv", folder / "series.csv")
    names = range(1, PIPELINES + 1)
    (folder / "pipelines.toml").write_text("".join(PIPELINE.format(number=number) for number in names))
    process([GRISTMILL, "-q", "run", *(f"p{number}" for number in names)], folder)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        make(folder)
        ways = {
            name: partial(process, command, folder, **(COMPLETION if name.startswith("completion") else {}))
            for name, command in COMMANDS.items()
        }
        found = in_turn(ways, asked.rounds + 1)  # the first round compiles byte code and is left out
        loaded = process([sys.executable, "-c", LOADED], folder).printed.splitlines()[-1]
    rows = []
    for name, made in found.items():
        cpu, seconds = [one.cpu for one in made[1:]], [one.seconds for one in made[1:]]
        rows.append([f"`{name}`", *(f"{take(cpu):.3f}" for take in (statistics.median, min, max))])
        rows[-1].append(f"{statistics.median(seconds):.3f}")
    told = f"Loaded modules among {', '.join(AVOIDED)} at the end of a run with nothing to do: {loaded}."
    columns = ["command", "median CPU s", "min", "max", "median s"]
    tell("Nothing to do", [*table(columns, rows), "", told], asked.write)


if __name__ == "__main__":
    main()

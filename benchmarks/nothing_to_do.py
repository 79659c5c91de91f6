"""Measure a run with nothing to do: whole processes in turn, medians of five.

    benchmarks/nothing_to_do.py [--rounds 5] [--write]

`gristmill run`, `gristmill ls` and shell completion are compared with Python that does nothing, and with Python that
only imports Prefect. Their answers are known from the round before, except in an environment that changes each time.
"""

import statistics
import sys
import time
from functools import partial

from measuring import GRISTMILL, Process, arguments, in_turn, process, table, tell

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gristmill run sunspots": [GRISTMILL, "run", "sunspots"],
    "gristmill run sunspots, no known answer": [GRISTMILL, "run", "sunspots"],
    "gristmill ls": [GRISTMILL, "ls"],
    "gristmill ls, no known answer": [GRISTMILL, "ls"],
    "completion of gristmill run sun": [GRISTMILL],
    "python -c 'import prefect'": [sys.executable, "-c", "import prefect"],
}
AVOIDED = ("prefect", "tensorflow", "keras", "pandas", "numpy", "pyarrow")
LOADED = f"""
import atexit, sys
atexit.register(lambda: print([name for name in {AVOIDED} if name in sys.modules] or "none"))
from gristmill.cli.app import main
sys.argv = ["gristmill", "run", "sunspots"]
main()
"""


def measured(name: str) -> Process:
    """Run a command in the environment that its name tells."""
    completion = {"_GRISTMILL_COMPLETE": "complete_bash", "COMP_WORDS": "gristmill run sun", "COMP_CWORD": "2"}
    unknown = {"GRISTMILL_DATA": str(time.time_ns())}  # another environment, in which the answer is not known
    environment = completion if name.startswith("completion") else unknown if "no known" in name else {}
    return process(COMMANDS[name], **environment)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    process(COMMANDS["gristmill run sunspots"])  # makes all artifacts fresh
    time.sleep(2)  # answers that depend on younger files are not kept
    ways = {name: partial(measured, name) for name in COMMANDS}
    found = in_turn(ways, asked.rounds + 1)  # the first round compiles byte code and is left out
    rows = []
    for name, made in found.items():
        seconds = [one.seconds for one in made[1:]]
        rows.append([f"`{name}`", *(f"{take(seconds):.3f}" for take in (statistics.median, min, max))])
    loaded = process([sys.executable, "-c", LOADED]).printed.splitlines()[-1]
    told = f"Loaded modules among {', '.join(AVOIDED)} at the end of a run with nothing to do: {loaded}."
    tell("Nothing to do", [*table(["command", "median s", "min", "max"], rows), "", told], asked.write)


if __name__ == "__main__":
    main()

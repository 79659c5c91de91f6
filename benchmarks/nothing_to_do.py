"""Measure a run with nothing to do: whole processes in turn, medians of five.

    benchmarks/nothing_to_do.py [--rounds 5] [--write]

`gristmill run` and `gristmill ls` are compared with Python that does nothing, and with Python that only imports
Prefect.
"""

import statistics
import sys
from functools import partial

from measuring import GRISTMILL, arguments, in_turn, process, table, tell

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gristmill run sunspots": [GRISTMILL, "run", "sunspots"],
    "gristmill ls": [GRISTMILL, "ls"],
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


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    process(COMMANDS["gristmill run sunspots"])  # makes all artifacts fresh
    ways = {name: partial(process, command) for name, command in COMMANDS.items()}
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

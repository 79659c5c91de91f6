"""What a run with nothing to do costs: whole processes, in turn, medians of five.

Beside `gristmill run` and `gristmill ls` stand what they must avoid: a bare Python, and one that only imports Prefect.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 5

GRISTMILL = [str(Path(sys.executable).with_name("gristmill"))]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gristmill run sunspots": [*GRISTMILL, "run", "sunspots"],
    "gristmill ls": [*GRISTMILL, "ls"],
    "python -c 'import prefect'": [sys.executable, "-c", "import prefect"],
}
AVOIDED = ("prefect", "tensorflow", "keras", "pandas", "numpy", "pyarrow")
LOADED = f"""
import atexit, sys
atexit.register(lambda: print([name for name in {AVOIDED} if name in sys.modules]))
from gristmill.cli import main
sys.argv = ["gristmill", "run", "sunspots"]
main()
"""


def seconds(command: list[str]) -> float:
    """Return how long a command takes as a whole process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    subprocess.run([*GRISTMILL, "run", "sunspots"], cwd=ROOT, check=True, capture_output=True)  # so that all is fresh
    for command in COMMANDS.values():
        seconds(command)
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    print("| whole process | median s | min | max |\n|---|---:|---:|---:|")
    for name, found in times.items():
        print(f"| `{name}` | {statistics.median(found):.3f} | {min(found):.3f} | {max(found):.3f} |")
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, check=True, capture_output=True, text=True)
    print(f"\nOf {', '.join(AVOIDED)}, loaded at the end of a run with nothing to do: {done.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()

"""History of speed: append the ratios of this run of `make bench` to history.jsonl, and print what got slower.

    benchmarks/history.py [--write]

Measures nothing: the figures are read from results.md. Each ratio compares two figures of one benchmark, so the load of
the machine matters little. A smaller ratio is better. It is compared with the last entry from a machine of this kind.
"""

import json
import os
import re
import subprocess
import sys
from datetime import date

from glance import ANY
from measuring import RESULTS, ROOT, arguments, processor, sections, table

HISTORY = ROOT / "benchmarks/history.jsonl"
SLOWER = 1.1  # ratio to the last entry from which a figure is called slower

_RUN, _SCRIPT = r"^\| `gristmill run`, no server running \|", r"^\| Keras script \|"
_PREFECT = rf"^\| `python -c 'import prefect'`{ANY} ([\d.]+)"

RATIOS = {
    "nothing to do, to importing Prefect": ("Nothing to do", rf"^\| `gristmill run p1`{ANY} ([\d.]+)", _PREFECT),
    "ls, to importing Prefect": ("Nothing to do", rf"^\| `gristmill ls`{ANY} ([\d.]+)", _PREFECT),
    "nothing to do, to DVC": ("DVC and Metaflow", rf"^\| gristmill{ANY * 2} ([\d.]+)", rf"^\| dvc{ANY * 2} ([\d.]+)"),
    "first run, to DVC": ("DVC and Metaflow", rf"^\| gristmill{ANY} ([\d.]+)", rf"^\| dvc{ANY} ([\d.]+)"),
    "run, to a Keras script": ("Overhead", rf"{_RUN} ([\d.]+)", rf"{_SCRIPT} ([\d.]+)"),
    "peak memory (PSS), to a Keras script": ("Overhead", rf"{_RUN}{ANY * 2} ([\d,]+)", rf"{_SCRIPT}{ANY * 2} ([\d,]+)"),
    "windows of the course's code, to ours": (
        "Windows",
        rf"^\| windows/s{ANY * 2} ([\d,]+)",
        rf"^\| windows/s{ANY} ([\d,]+)",
    ),
}
"""What is compared: a section of results.md, and the patterns of our figure and of the other one."""


def ratios(text: str) -> dict[str, float]:
    """Return the ratios in the text of results.md; end the program if a figure is missing."""
    by_heading, found = sections(text), dict[str, float]()
    for what, (section, *patterns) in RATIOS.items():
        figures = [re.search(pattern, by_heading[section], re.MULTILINE) for pattern in patterns]
        ours, theirs = (float(one[1].replace(",", "")) if one else 0.0 for one in figures)
        if not ours or not theirs:
            sys.exit(f"results.md, {section}: found no figures for: {what}")
        found[what] = round(ours / theirs, 4)
    return found


def compared(now: dict[str, float], before: dict[str, float]) -> list[list[str]]:
    """Return the rows of a table: each ratio, that of an earlier entry, and whether it got slower."""
    rows = []
    for what, ratio in now.items():
        last = before.get(what)
        change = ratio / last if last else 1.0
        rows.append([what, f"{ratio:.3f}", f"{last:.3f}" if last else "", "slower" if change > SLOWER else ""])
    return rows


def main() -> None:
    write = arguments(__doc__).parse_args().write
    machine = f"{os.cpu_count()} cores of {processor()}"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    entries = [json.loads(line) for line in HISTORY.read_text().splitlines()] if HISTORY.exists() else []
    last = next((one["ratios"] for one in reversed(entries) if one["machine"] == machine), {})
    entry = {
        "date": str(date.today()),
        "commit": commit.stdout.strip(),
        "machine": machine,
        "ratios": ratios(RESULTS.read_text()),
    }
    print("\n".join(table(["ratio", "now", "before", ""], compared(entry["ratios"], last))))
    if write:
        with HISTORY.open("a") as file:
            file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()

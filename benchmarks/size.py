"""Count the lines of the product and of its tests, and time `make test`.

    benchmarks/size.py [--write]

Lines are those of all Python files in git, with comments and blank lines. The tests must pass.
"""

import re
import subprocess
from collections import Counter

from measuring import ROOT, arguments, process, table, tell

PARTS = {"gristmill": "product", "flows": "product", "tasks": "product", "tests": "tests", "benchmarks": "benchmarks"}


def lines() -> Counter[str]:
    """Return the number of lines of each part."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    counts: Counter[str] = Counter()
    for path in listed.splitlines():
        folder, _, inner = path.partition("/")
        if inner and folder in PARTS:
            counts[PARTS[folder]] += len((ROOT / path).read_text().splitlines())
    return counts


def main() -> None:
    write = arguments(__doc__).parse_args().write
    done = process(["make", "test"])
    passed = sum(map(int, re.findall(r"(\d+) passed", done.printed)))  # in parallel parts
    told = f"`make test` takes {done.seconds:.0f} s; {passed:,} tests pass."
    counted = table(["part", "lines"], [[part, f"{count:,}"] for part, count in lines().items()])
    tell("Size", [*counted, "", told], write)


if __name__ == "__main__":
    main()

"""Count the code of the product and of its tests, its commands and settings, and time `make test`.

    benchmarks/size.py [--write]

Lines are those of all Python files in git; lines of code leave out blank lines, comments, docstrings and imports. The
tests must pass.
"""

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

from measuring import ROOT, arguments, process, table, tell

PARTS = {"gristmill": "product", "flows": "product", "tasks": "product", "tests": "tests", "benchmarks": "benchmarks"}


def python_files() -> dict[str, list[Path]]:
    """Return the Python files in git by part."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    files = defaultdict(list)
    for path in listed.splitlines():
        folder, _, inner = path.partition("/")
        if inner and folder in PARTS:
            files[PARTS[folder]].append(ROOT / path)
    return files


def lines_of_code(text: str) -> int:
    """Return the number of lines without blank lines, comments, docstrings and imports."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        docstring = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return sum(bool(line) and not line.startswith("#") and number not in left_out for number, line in lines)


def main() -> None:
    write = arguments(__doc__).parse_args().write
    tests = process(["make", "test"])
    passed = sum(map(int, re.findall(r"(\d+) passed", tests.printed)))  # in parallel parts

    # Code by part
    rows = []
    for part, files in python_files().items():
        texts = [file.read_text() for file in files]
        counts = (len(texts), sum(len(text.splitlines()) for text in texts), sum(map(lines_of_code, texts)))
        rows.append([part, *(f"{count:,}" for count in counts)])
    counted = table(["part", "modules", "lines", "lines of code"], rows)

    # Commands and settings, from the pages that are generated from them
    reference = ROOT / "docs/reference"
    commands = len(re.findall("^## gristmill ", (reference / "commands.md").read_text(), re.MULTILINE))
    settings = len(re.findall(r"^\| `", (reference / "settings.md").read_text(), re.MULTILINE))
    sentences = (
        f"{commands} commands, {settings} settings. `make test` takes {tests.seconds:.0f} s; {passed:,} tests pass."
    )
    tell("Size", [*counted, "", sentences], write)


if __name__ == "__main__":
    main()

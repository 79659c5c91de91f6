"""Compare the figures in results.md with the goals of the project, and write a table of them.

    benchmarks/goals.py [--write]

Measures nothing: `goals.toml` names the goals, and the section and cell or sentence of results.md that has the figure
for each. A figure that is missing ends the script, so no goal can be left out silently.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from glance import link
from measuring import RESULTS, arguments, replaced, sections, table

HEADING = "Goals"
GOALS = RESULTS.with_name("goals.toml")
NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?")
COLUMNS = ["goal", "measured", "must", "aim", "result", "section"]
REACHED, MISSED = "aim reached", "**missed**"


@dataclass(frozen=True)
class Goal:
    """Goal, and where its figure is: a cell of a table, or the groups of a pattern."""

    what: str
    section: str
    row: str = ""  # first cells of the row
    column: str = ""  # heading
    pattern: str = ""
    must: str = ""
    aim: str = ""

    def figures(self, section: str) -> list[str]:
        """Return the figures of the goal in the text of its section; end the program if there is none."""
        found = re.search(self.pattern, section, re.MULTILINE) if self.pattern else NUMBER.search(self._cell(section))
        if found is None:
            sys.exit(f"results.md, {self.section}: found no figure for the goal: {self.what}")
        return [*found.groups()] or [found[0]]

    def _cell(self, section: str) -> str:
        """Return the cell of the goal; empty if no table has it."""
        for header, body in re.findall(r"^\| (.*) \|\n\|[-:|]+\|\n((?:\|.*\n)*)", section, re.MULTILINE):
            columns = header.split(" | ")
            for line in body.splitlines():
                if self.column in columns and line.startswith(f"| {self.row} |"):
                    return str(line[2:-2].split(" | ")[columns.index(self.column)])
        return ""

    def verdict(self, figures: list[str]) -> str:
        """Return whether the figures reach the aim or what is required."""
        if self.aim and all(_holds(self.aim, figure) for figure in figures):
            return REACHED
        if self.must and not all(_holds(self.must, figure) for figure in figures):
            return MISSED
        return "met" if self.must else "aim missed"


def _holds(bound: str, figure: str) -> bool:
    """Return whether a figure is within a bound, as in "<= 0.5", ">= 3", "75..85" or "none"."""
    if not (limits := [float(one.replace(",", "")) for one in NUMBER.findall(bound)]):
        return figure == bound
    value = float(figure.replace(",", ""))
    if bound.startswith("<="):
        return value <= limits[0]
    return value >= limits[0] and (bound.startswith(">=") or value <= limits[1])


def goals() -> list[Goal]:
    """Return the goals in their order."""
    return [Goal(**one) for one in tomllib.loads(GOALS.read_text())["goal"]]


def compared(text: str) -> list[str]:
    """Return the table of goals, and a sentence that counts them, from the text of results.md."""
    found = list(rows(text))
    required, aims = [row for row in found if row[2]], [row for row in found if row[3]]
    reached = sum(row[4] != MISSED for row in required), sum(row[4] == REACHED for row in aims)
    return [
        *table(COLUMNS, found),
        "",
        f"{reached[0]} of {len(required)} required figures and {reached[1]} of {len(aims)} aims are reached.",
    ]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of the table."""
    by_heading = sections(text)
    for goal in goals():
        figures = goal.figures(by_heading.get(goal.section, ""))
        bounds = [bound.replace("<=", "≤").replace(">=", "≥").replace("..", " to ") for bound in (goal.must, goal.aim)]
        yield [goal.what, ", ".join(figures), *bounds, goal.verdict(figures), link(goal.section)]


def main() -> None:
    write = arguments(__doc__).parse_args().write
    text = RESULTS.read_text()
    lines = compared(text)
    print("\n".join(lines))
    if write:
        RESULTS.write_text(replaced(text, HEADING, lines))


if __name__ == "__main__":
    main()

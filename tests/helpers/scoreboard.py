"""A plugin of pytest: the fixture `fault`, and, at `--scoreboard`, a table of what became of each fault.

The faults are numbered in `tests/faults/README.md`. A test bears the marker `fault(n)`, wherever it stands; it may
note by the fixture how often it tried and what was said. A fault is passed if it has a test and none of its tests
failed, was skipped or tried nothing; with one that is not, pytest's exit status is 1. Long repetitions run in full
where GRISTMILL_FAULTS=full, as `make faults` has it, and shortened elsewhere.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CASES = Path(__file__).parent.parent / "faults/README.md"
"""Its table names the faults by their numbers."""


class Fault:
    """What a test of a fault notes for the scoreboard."""

    full = os.environ.get("GRISTMILL_FAULTS") == "full"
    """Whether long repetitions run in full."""

    def __init__(self, note: Callable[[str, object], None]) -> None:
        self._note = note

    def tried(self, times: int) -> None:
        """Note how often the fault was tried; a test that does not say has tried once."""
        self._note("tries", times)

    def said(self, message: str) -> None:
        """Note the line that a user reads."""
        self._note("said", message.strip())

    def used(self, mebibytes: float) -> None:
        """Note the peak memory of the process that met the fault."""
        self._note("peak MiB", mebibytes)


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Fault:
    """How a test of a fault tells the scoreboard what it did."""
    return Fault(record_property)


@dataclass
class Row:
    """What became of the tests of one fault."""

    tests: int = 0
    unpassed: int = 0
    tries: int = 0
    seconds: float = 0.0
    peak: float = 0.0
    said: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.tests > 0 and self.unpassed == 0


class Scoreboard:
    """Gathers what became of the tests with a marker `fault` and prints the table."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = defaultdict(Row)
        self.cases = {
            int(number): case for number, case in re.findall(r"^\| (\d+) \| (.+?) \|", CASES.read_text(), re.M)
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Hand the numbers of a test's faults on to its reports, which are all that the next hook sees."""
        item.user_properties += [("fault", mark.args[0]) for mark in item.iter_markers("fault")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of one test."""
        noted = report.user_properties
        for number in (int(str(value)) for name, value in noted if name == "fault"):
            row = self.rows[number]
            row.seconds += report.duration
            row.unpassed += not report.passed
            if report.when == "call":
                tries = sum([int(value) for name, value in noted if name == "tries"] or [1])
                row.tests += 1
                row.tries += tries
                row.unpassed += not tries
                row.peak = max([row.peak, *(float(value) for name, value in noted if name == "peak MiB")])
                row.said += [str(value) for name, value in noted if name == "said"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, the messages and how many faults are passed."""
        say = terminalreporter.write_line
        say(f"\n {'#':>2}  {'fault':<72}{'tests':>6}{'tries':>7}{'s':>8}{'MiB':>7}")
        for number, case in self.cases.items():
            row = self.rows[number]
            state = "passed" if row.passed else "FAILED" if row.tests else "no test"
            peak = f"{row.peak:.0f}" if row.peak else ""
            say(f" {number:>2}  {_cut(case, 70):<72}{row.tests:>6}{row.tries:>7}{row.seconds:>8.1f}{peak:>7}  {state}")
        for number, row in sorted(self.rows.items()):
            for message in dict.fromkeys(row.said):
                say(f" {number:>2}  {message}")
        say(f"\n{self._passed()} / {len(self.cases)} passed")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a fault has no test, too."""
        if self._passed() < len(self.cases):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _passed(self) -> int:
        return sum(self.rows[number].passed for number in self.cases)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

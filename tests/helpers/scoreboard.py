"""Plugin of pytest with the fixture `fault` and, with `--scoreboard`, a table of the results by fault.

`tests/faults/README.md` numbers the faults. A test of a fault has the marker `fault(n)`. Through the fixture, it may
record the number of attempts and the message that a user reads. A fault is passed if it has a test and if none of its
tests failed, was skipped or made no attempt. If a fault is not passed, pytest's exit status is 1. With
GRISTMILL_FAULTS=full, as in `make faults`, all repetitions run.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CASES = Path(__file__).parent.parent / "faults/README.md"
"""File with the table of numbered faults."""


class Fault:
    """Values that a test of a fault records for the scoreboard."""

    full = os.environ.get("GRISTMILL_FAULTS") == "full"
    """Whether all repetitions run."""

    def __init__(self, note: Callable[[str, object], None]) -> None:
        self._note = note

    def tried(self, times: int) -> None:
        """Record the number of attempts; the default is one."""
        self._note("tries", times)

    def said(self, message: str) -> None:
        """Record the message that a user reads."""
        self._note("said", message.strip())

    def used(self, mebibytes: float) -> None:
        """Record the peak memory of the process with the fault."""
        self._note("peak MiB", mebibytes)


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Fault:
    """Return the recorder of a test of a fault."""
    return Fault(record_property)


@dataclass
class Row:
    """Results of the tests of one fault."""

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
    """Collects the results of tests with the marker `fault` and prints the table."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = defaultdict(Row)
        self.cases = {
            int(number): case for number, case in re.findall(r"^\| (\d+) \| (.+?) \|", CASES.read_text(), re.M)
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Add the numbers of a test's faults to its reports, because the next hook only gets reports."""
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
        """Print the table, the messages and the number of passed faults."""
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
        """Fail if a fault has failed or has no test."""
        if self._passed() < len(self.cases):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _passed(self) -> int:
        return sum(self.rows[number].passed for number in self.cases)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

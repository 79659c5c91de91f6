"""The ML Test Score: 28 tests in four sections, and which of them a pipeline is seen to pass.

A test passes by what was seen of this pipeline, never because gristmill could do it. Where only a person can tell, the
finding says what to look at.

Source: Breck, Cai, Nielsen, Salib and Sculley, "The ML Test Score: A Rubric for ML Production Readiness and Technical
Debt Reduction", IEEE Big Data, 2017.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gristmill.checks import data_tests, infra_tests, model_tests, monitoring_tests
from gristmill.checks.evidence import Evidence
from gristmill.checks.findings import RubricResult

SECTIONS = {
    "Data": data_tests.TESTS,
    "Model": model_tests.TESTS,
    "Infrastructure": infra_tests.TESTS,
    "Monitoring": monitoring_tests.TESTS,
}
"""The tests by section, in the paper's order."""

_BANDS = (  # of the score, and what the paper says of a system in each, in short
    (0.0, "a research project rather than a product"),
    (1.0, "not untested, but serious holes are likely"),
    (2.0, "a first pass at a product; more is to be done"),
    (3.0, "reasonably tested; more of it can be automatic"),
    (5.0, "strongly tested and watched: fit for what matters"),
    (7.0, "exceptionally tested and watched"),
)


@dataclass(frozen=True)
class ScoredTest:
    """A test with what was seen."""

    section: str
    number: int  # in its section, as the paper counts
    asks: str
    finding: RubricResult


def judge(seen: Evidence) -> list[ScoredTest]:
    """Return what is seen of each of the 28 tests."""
    return [
        ScoredTest(section, number, test.asks, test.judge(seen))
        for section, tests in SECTIONS.items()
        for number, test in enumerate(tests, 1)
    ]


def points(judged: Iterable[ScoredTest]) -> dict[str, int]:
    """Return the points of each section: one for each test that passes by itself.

    The paper gives half a point for one that a person does and writes down. Its score is the lowest of the four.
    """
    found = dict.fromkeys(SECTIONS, 0)
    for one in judged:
        found[one.section] += one.finding.verdict == "passes"
    return found


def meaning(score: float) -> str:
    """Return what the paper says of a system with a score."""
    return next(told for highest, told in _BANDS if score <= highest)

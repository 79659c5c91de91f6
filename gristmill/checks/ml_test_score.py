"""The ML Test Score: 28 tests in four sections, run on the evidence of one pipeline.

A test passes because of evidence on this pipeline, never because gristmill has a feature. Where only a person can
decide, the result says what to review.

Source: Breck, Cai, Nielsen, Salib and Sculley, "The ML Test Score: A Rubric for ML Production Readiness and Technical
Debt Reduction", IEEE Big Data, 2017.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gristmill.checks.evidence import Evidence, RubricResult, by_hand
from gristmill.checks.rubric_tests import SECTIONS

_BANDS = (  # highest score of each band, and the paper's description in short
    (0.0, "a research project rather than a product"),
    (1.0, "not untested, but serious holes are likely"),
    (2.0, "a first pass at a product; more is to be done"),
    (3.0, "reasonably tested; more of it can be automatic"),
    (5.0, "strongly tested and monitored: fit for mission-critical use"),
    (7.0, "exceptionally tested and monitored"),
)


@dataclass(frozen=True)
class ScoredTest:
    """One test with its result."""

    section: str
    number: int  # in its section, as in the paper
    title: str
    result: RubricResult


def run_tests(evidence: Evidence) -> list[ScoredTest]:
    """Run the 28 tests."""
    return [
        ScoredTest(section, number, title, by_hand(test) if isinstance(test, str) else test(evidence))
        for section, tests in SECTIONS.items()
        for number, (title, test) in enumerate(tests.items(), 1)
    ]


def points(tests: Iterable[ScoredTest]) -> dict[str, int]:
    """Return the points of each section: one for each test that passes automatically.

    The paper adds half a point for a test that a person does and documents. Its score is the lowest of the four.
    """
    found = dict.fromkeys(SECTIONS, 0)
    for test in tests:
        found[test.section] += test.result.verdict == "passes"
    return found


def meaning(score: float) -> str:
    """Return how the paper describes a system with this score."""
    return next(description for highest, description in _BANDS if score <= highest)

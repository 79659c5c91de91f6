"""What is found of a test of the rubric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gristmill.checks.evidence import Evidence, RunOutputs

RubricVerdict = Literal["passes", "not passed", "by hand"]


@dataclass(frozen=True)
class RubricResult:
    """What was seen of a test: the evidence, what to do, or what a person has to look at."""

    verdict: RubricVerdict
    told: str


@dataclass(frozen=True)
class Test:
    """A test of the rubric."""

    asks: str
    judge: Callable[[Evidence], RubricResult]


def passes(evidence: str) -> RubricResult:
    """Return that a test passes."""
    return RubricResult("passes", evidence)


def missing(remedy: str) -> RubricResult:
    """Return that a test does not pass, with what to do."""
    return RubricResult("not passed", remedy)


def by_hand(look_at: str) -> RubricResult:
    """Return that only a person can tell."""
    return RubricResult("by hand", look_at)


def of_run(judge: Callable[[RunOutputs], RubricResult]) -> Callable[[Evidence], RubricResult]:
    """Return what judges a test by what the last run left, and asks for a run where there is none."""

    def judge_run(seen: Evidence) -> RubricResult:
        return judge(seen.left) if seen.left else missing(f"gristmill run {seen.pipeline.name}")

    return judge_run


def person(look_at: str) -> Callable[[Evidence], RubricResult]:
    """Return what judges a test that only a person can, whatever was seen."""
    return lambda seen: by_hand(look_at)

"""What is found of a test of the rubric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gristmill.checks.evidence import Evidence, Left

Verdict = Literal["passes", "not passed", "by hand"]


@dataclass(frozen=True)
class Finding:
    """What was seen of a test: the evidence, what to do, or what a person has to look at."""

    verdict: Verdict
    told: str


@dataclass(frozen=True)
class Test:
    """A test of the rubric."""

    asks: str
    judge: Callable[[Evidence], Finding]


def passes(evidence: str) -> Finding:
    """Return that a test passes."""
    return Finding("passes", evidence)


def missing(remedy: str) -> Finding:
    """Return that a test does not pass, with what to do."""
    return Finding("not passed", remedy)


def by_hand(look_at: str) -> Finding:
    """Return that only a person can tell."""
    return Finding("by hand", look_at)


def of_run(judge: Callable[[Left], Finding]) -> Callable[[Evidence], Finding]:
    """Return what judges a test by what the last run left, and asks for a run where there is none."""

    def judge_run(seen: Evidence) -> Finding:
        return judge(seen.left) if seen.left else missing(f"gristmill run {seen.pipeline.name}")

    return judge_run


def person(look_at: str) -> Callable[[Evidence], Finding]:
    """Return what judges a test that only a person can, whatever was seen."""
    return lambda seen: by_hand(look_at)

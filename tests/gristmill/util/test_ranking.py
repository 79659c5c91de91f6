"""The order of scores, some of which are missing."""

import math

import pytest

from gristmill.util.ranking import rank


@pytest.mark.fault(34)
def test_what_cannot_be_computed_is_never_the_best() -> None:
    scores = [None, 3.0, math.nan, math.inf, 1.0]

    assert sorted(scores, key=rank)[:3] == [1.0, 3.0, math.inf]
    assert sorted(scores, key=lambda score: rank(score, higher_is_better=True))[:3] == [math.inf, 3.0, 1.0]

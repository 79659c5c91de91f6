"""Examples of two parts are counted and named; those of one part are no matter."""

import pandas as pd
import pytest

from gristmill.domains.common.classification import duplicates
from gristmill.domains.common.classification.duplicates import find_duplicates

INDEX = pd.DataFrame(
    {
        "id": list("abcdefgh"),
        "part": ["train", "train", "validation", "validation", "test", "test", "test", "test"],
    }
)


def test_parts_that_share_examples_are_told_with_their_pairs() -> None:
    content = pd.Series(["x", "y", "x", "z", "x", "x", "z", "new"])

    assert find_duplicates(INDEX, content) == [
        {"part": "validation", "also_in": "train", "count": 1, "pairs": [["c", "a"]]},
        {"part": "test", "also_in": "train", "count": 2, "pairs": [["e", "a"], ["f", "a"]]},
        {"part": "test", "also_in": "validation", "count": 3, "pairs": [["e", "c"], ["f", "c"], ["g", "d"]]},
    ]


def test_repeats_within_a_part_are_no_matter() -> None:
    assert find_duplicates(INDEX, pd.Series(["x", "x", "y", "y", "z", "z", "z", "z"])) == []


def test_the_first_of_equal_ones_is_named_and_few_pairs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_MAX_PAIRS_LISTED", 1)
    content = pd.Series(["x", "x", "1", "2", "x", "x", "x", "3"])

    assert find_duplicates(INDEX, content) == [{"part": "test", "also_in": "train", "count": 3, "pairs": [["e", "a"]]}]

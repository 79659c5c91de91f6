"""Classes in the order in which people count them, under the names that they are given."""

import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import name_classes, sort_labels
from gristmill.errors import DataError


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (["1", "10", "0", "2", "1"], ["0", "1", "2", "10"]),
        (["1", "-1", "0.5", "+2"], ["-1", "0.5", "1", "+2"]),
        (["01", "1", "1.0"], ["01", "1", "1.0"]),
        (["sport", "business", "Sport"], ["Sport", "business", "sport"]),
        (["class 10", "class 2", "class"], ["class", "class 2", "class 10"]),
        (["2 stars", "good", "10 stars"], ["2 stars", "10 stars", "good"]),
        (["b1a", "b1", "1b"], ["1b", "b1", "b1a"]),
        (["1" * 5000, "2"], ["2", "1" * 5000]),
        (["a" + "9" * 5000, "a1"], ["a1", "a" + "9" * 5000]),
    ],
)
def test_numbers_are_sorted_by_value(labels: list[str], wanted: list[str]) -> None:
    assert sort_labels(labels) == sort_labels(labels[::-1]) == wanted


def test_names_take_the_places_of_what_they_stand_for() -> None:
    labels, classes = name_classes(pd.Series(["1", "0", "2", "1"], dtype="str"), {"0": "sad", "1": "glad"}, "mood")
    assert labels.tolist() == ["glad", "sad", "2", "glad"]
    assert classes == ["sad", "glad", "2"]


def test_two_labels_may_bear_one_name() -> None:
    labels, classes = name_classes(pd.Series(["3", "1", "2"], dtype="str"), {"1": "bad", "2": "bad"}, "stars")
    assert (labels.tolist(), classes) == (["3", "bad", "bad"], ["bad", "3"])


def test_the_order_of_the_source_is_kept_and_classes_without_an_example_too() -> None:
    own = pd.Series(pd.Categorical(["neg", "pos"], ["pos", "neutral", "neg"]))
    assert name_classes(own, {}, "label")[1] == ["pos", "neutral", "neg"]
    labels, classes = name_classes(own, {"pos": "good"}, "label")
    assert (labels.tolist(), classes) == (["neg", "good"], ["good", "neutral", "neg"])


def test_a_name_for_what_is_not_there_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        name_classes(pd.Series(["0", "1"], dtype="str"), {"0": "sad", "2": "glad"}, "mood")
    assert str(refused.value) == "ingest.names: nothing has the label '2' in column 'mood'. Labels: '0', '1'."
    with pytest.raises(DataError, match=r"Labels: '0', .*, '11', …\.$"):
        name_classes(pd.Series([str(at) for at in range(13)], dtype="str"), {"x": "glad"}, "mood")

"""Parts are the source's own, or drawn class by class in a way that can be told in advance."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.split import mix_classes, split
from gristmill.errors import DataError, RequestError


def index_of(counts: dict[str, list[int]]) -> pd.DataFrame:
    """Return an index of images: by part of the source, or "" for none, the examples of each class."""
    rows = [
        {"label": label, "part": part or None}
        for part, images in counts.items()
        for label, count in enumerate(images)
        for _ in range(count)
    ]
    return pd.DataFrame(rows)


def counted(index: pd.DataFrame, **given: Any) -> dict[str, list[int]]:
    """Split and return the examples of each class by part."""
    classes = [f"class {label}" for label in range(int(index["label"].max()) + 1)]
    parts = split(index, classes, **{"validation": 0.1, "test": 0.2, "seed": 42} | given)
    found = Counter(zip(parts, index["label"], strict=True))
    assert set(parts) <= set(PARTS)
    return {part: [found[part, label] for label in range(len(classes))] for part in PARTS}


@pytest.mark.parametrize(
    ("images", "validation", "test", "expected"),
    [
        ([100, 50], 0.1, 0.2, ([70, 35], [10, 5], [20, 10])),
        ([10, 3], 0.1, 0.2, ([7, 1], [1, 1], [2, 1])),  # one of each class at least
        ([10, 2], 0.1, 0.2, ([7, 1], [1, 0], [2, 1])),  # but never the last, which trains
        ([10, 1], 0.1, 0.2, ([7, 1], [1, 0], [2, 0])),
        ([100, 50], 0, 0.2, ([80, 40], [0, 0], [20, 10])),
        ([100, 50], 15, 30, ([70, 35], [10, 5], [20, 10])),
        ([10, 10, 10], 0, 5, ([8, 8, 9], [0, 0, 0], [2, 2, 1])),  # what is left over goes to the first of equals
        ([70, 20, 10], 0, 6, ([66, 19, 9], [0, 0, 0], [4, 1, 1])),  # 4.2, 1.2 and 0.6: the last has most left over
        ([2, 2], 1, 1, ([1, 1], [0, 1], [1, 0])),  # the second part takes from what the first has left
        ([6, 6], 0.5, 0.25, ([1, 1], [3, 3], [2, 2])),  # 1.5 becomes 2
    ],
)
def test_parts_are_drawn_class_by_class(
    images: list[int], validation: float, test: float, expected: tuple[list[int], ...]
) -> None:
    found = counted(index_of({"": images}), validation=validation, test=test)

    assert found == dict(zip(PARTS, expected, strict=True))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"train": [100, 50], "test": [7, 9]}, ([90, 45], [10, 5], [7, 9])),
        ({"train": [100, 50], "validation": [7, 9]}, ([80, 40], [7, 9], [20, 10])),
        ({"train": [100, 50], "validation": [7, 9], "test": [1, 0]}, ([100, 50], [7, 9], [1, 0])),
        ({"train": [100, 50]}, ([70, 35], [10, 5], [20, 10])),
        ({"": [60, 50], "train": [40, 0], "test": [1, 1]}, ([90, 45], [10, 5], [1, 1])),
    ],
)
def test_parts_of_the_source_stay_and_the_others_are_drawn_from_the_rest(
    source: dict[str, list[int]], expected: tuple[list[int], ...]
) -> None:
    index = index_of(source)

    assert counted(index, validation=0.1, test=0.2) == dict(zip(PARTS, expected, strict=True))
    parts = split(index, ["a", "b"], validation=0.1, test=0.2, seed=42)
    for part in ("validation", "test"):
        if part in source:
            assert (parts == part).tolist() == (index["part"] == part).tolist()


@given(
    images=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    validation=st.floats(0.01, 0.45),
    test=st.floats(0.01, 0.45),
    seed=st.integers(0, 5),
)
def test_every_class_trains_and_is_tested_about_as_asked(
    images: list[int], validation: float, test: float, seed: int
) -> None:
    found = counted(index_of({"": images}), validation=validation, test=test, seed=seed)

    for label, count in enumerate(images):
        assert sum(found[part][label] for part in PARTS) == count
        assert found["train"][label] >= 1
        assert found["test"][label] == min(max(1, round(test * count)), count - 1)
        assert found["validation"][label] <= max(1, round(validation * count))


@given(
    images=st.lists(st.integers(20, 60), min_size=2, max_size=5),
    validation=st.integers(0, 15),
    test=st.integers(1, 15),
)
def test_a_number_of_images_is_met_exactly(images: list[int], validation: int, test: int) -> None:
    found = counted(index_of({"": images}), validation=validation, test=test)

    assert (sum(found["validation"]), sum(found["test"])) == (validation, test)
    for label, count in enumerate(images):
        assert abs(found["test"][label] - test * count / sum(images)) < 1


def test_the_seed_alone_decides_which_images_are_drawn() -> None:
    index, classes = index_of({"": [50, 50]}), ["a", "b"]

    def drawn(seed: int, rows: pd.DataFrame = index) -> list[str]:
        return split(rows, classes, validation=0.1, test=0.2, seed=seed).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1)[:50] != drawn(1)[50:]  # each class draws for itself
    assert drawn(1, index_of({"": [50, 60]}))[:50] == drawn(1)[:50]


def test_groups_stay_in_one_part_and_single_examples_fill_it_up() -> None:
    index, random = index_of({"": [300, 100]}), np.random.default_rng(0)
    groups = np.where(random.random(400) < 0.5, random.integers(0, 40, 400), 1000 + np.arange(400))

    parts = split(index, ["a", "b"], validation=40, test=0.2, seed=1, groups=groups)

    assert pd.Series(parts).groupby(groups).nunique().max() == 1
    assert Counter(zip(parts, index["label"], strict=True)) == {
        ("train", 0): 210, ("validation", 0): 30, ("test", 0): 60,
        ("train", 1): 70, ("validation", 1): 10, ("test", 1): 20,
    }  # fmt: skip
    alone = split(index, ["a", "b"], 40, 0.2, seed=1, groups=np.arange(400))
    assert alone.tolist() == split(index, ["a", "b"], 40, 0.2, seed=1).tolist()


@pytest.mark.parametrize(("groups", "lack"), [([0] * 8, "test example"), ([0, 0, 1, 1, 1, 1, 1, 1], "test example")])
def test_groups_that_leave_a_part_empty_are_refused(groups: list[int], lack: str) -> None:
    with pytest.raises(DataError, match=f"copies and groups stay in one set, and .* no {lack} is left"):
        split(index_of({"": [2, 6]}), ["a", "b"], 0.1, 0.2, seed=0, groups=np.array(groups))


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ({"": [9, 9]}, {"validation": 0, "test": 18}, "class 'class 0' has 9 examples to draw from, but test takes 9"),
        (
            {"": [9, 9]},
            {"validation": 9, "test": 9},
            "class 'class 0' has 9 examples to draw from, but test takes 5 and validation takes 4: none is left to "
            "train on. Add examples, or set smaller parts in the table 'preprocess'.",
        ),
        ({"": [9, 9]}, {"validation": 90, "test": 0.2}, "validation takes 45"),
        ({"": [9, 9]}, {"validation": 5, "test": 18}, "test takes 9"),
        (
            {"train": [3, 0], "test": [2, 2]},
            {},
            "class 'class 1' has no example in the source's training set. Add some, or leave the class out.",
        ),
        ({"test": [3, 3]}, {}, "class 'class 0' has no example in the source's training set"),
    ],
)
def test_a_class_without_an_image_to_train_on_is_refused(
    source: dict[str, list[int]], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        counted(index_of(source), **given)

    assert message in str(refused.value)


def test_nothing_to_score_is_refused_unless_the_source_has_a_test_part() -> None:
    with pytest.raises(RequestError, match=r"preprocess\.test is 0, but the source has no test set"):
        counted(index_of({"": [9, 9]}), test=0)

    assert counted(index_of({"": [9, 9], "test": [1, 1]}), test=0)["test"] == [1, 1]


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RequestError, match=r"preprocess.test = 0.5 and preprocess.validation = 0.5 leave no example"):
        counted(index_of({"": [9, 9]}), validation=0.5, test=0.5)


@given(images=st.lists(st.integers(1, 40), min_size=1, max_size=5), stretches=st.integers(1, 6), seed=st.integers(0, 9))
def test_a_mixed_order_holds_the_classes_in_about_their_shares_everywhere(
    images: list[int], stretches: int, seed: int
) -> None:
    labels = np.repeat(np.arange(len(images)), images)

    order = mix_classes(labels, [seed, 0])

    assert sorted(order) == list(range(len(labels)))
    assert np.array_equal(order, mix_classes(labels, [seed, 0]))
    for rows in np.array_split(order, stretches):
        shares = np.bincount(labels[rows], minlength=len(images))
        assert np.abs(shares - len(rows) * np.array(images) / sum(images)).max() <= len(images)


def test_a_mixed_order_is_drawn_anew_for_another_seed() -> None:
    labels = np.repeat([0, 1], 50)

    assert not np.array_equal(mix_classes(labels, [0, 0]), mix_classes(labels, [0, 1]))
    assert not np.array_equal(np.sort(mix_classes(labels, [0, 0])[::2]), np.arange(50))
    assert len(mix_classes(labels[:0], [0, 0])) == 0


def test_single_examples_fill_a_set_before_a_large_group_does() -> None:
    labels = np.repeat([0, 1], 1000)
    groups = np.concatenate([np.repeat([0, 1], 400), np.arange(2, 1202)])  # two films of class 0
    index = pd.DataFrame({"label": labels, "part": pd.Series([None] * 2000, dtype=object)})

    parts = split(index, ["a", "b"], 0.1, 0.1, 0, groups)

    counts = pd.crosstab(parts, labels)
    assert counts.loc["validation"].tolist() == counts.loc["test"].tolist() == [100, 100]


@pytest.mark.parametrize("test", [0.2, 6])
@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(13), 2)])
def test_rare_classes_are_in_the_training_set_with_their_groups(test: float, groups: Any) -> None:
    index = index_of({"": [12, 11, 1, 2]})
    for seed in range(5):
        parts = split(index, [*"abcd"], 0.1, test, seed, groups, rare=["c", "d"])

        assert set(parts[23:]) == {"train"}
        assert set(parts[:22]) == set(PARTS)
        assert groups is None or pd.Series(parts).groupby(groups).nunique().max() == 1


def test_a_rare_class_stays_in_the_test_set_of_the_source() -> None:
    index = index_of({"train": [5, 5, 2], "test": [2, 2, 1]})

    assert counted(index)["test"] == [2, 2, 1]
    assert split(index, [*"abc"], 0.1, 0.2, 0, rare=["c"])[-1] == "test"


def test_a_class_of_one_group_is_in_the_training_set() -> None:
    index = index_of({"": [30, 30, 4]})
    groups = np.array([*range(60), *[60] * 4])  # four copies of one example

    for seed in range(5):
        assert set(split(index, [*"abc"], 0.1, 0.8, seed, groups)[60:]) == {"train"}


def test_a_part_without_a_class_gets_a_group_of_it() -> None:
    labels = np.repeat([0, 1], [500, 840])
    groups = np.concatenate([np.arange(500), 500 + np.repeat(np.arange(7), 120)])  # films of class 1
    index = pd.DataFrame({"label": labels, "part": ["test"] * 100 + [None] * 1240})

    parts = split(index, ["a", "b"], 0.1, 0.2, 0, groups)

    assert pd.crosstab(parts, labels).loc["validation"].tolist() == [40, 120]

"""A part has its own rows and labels, in the order of the index."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import LabelledDataset, balanced_weights, select_classes
from gristmill.domains.vision.settings import Ingest
from gristmill.errors import DataError

DATA = LabelledDataset(
    pd.DataFrame({"id": list("abcd"), "label": [1, 0, 2, 1], "part": ["train", "train", "test", "train"]}),
    ["no", "perhaps", "yes"],
)


def test_rows_of_a_part_count_from_0() -> None:
    assert DATA.rows("train")["id"].tolist() == ["a", "b", "d"]
    assert DATA.rows("test").index.tolist() == [0]


def test_labels_are_positions_of_classes() -> None:
    assert DATA.labels("train").tolist() == [1, 0, 1]
    assert DATA.labels("train").dtype == np.int64
    assert DATA.labels("validation").tolist() == []


INDEX = pd.DataFrame({"label": [0, 0, 1, 2, 0, 3, 4, 3, 3], "part": pd.Series([None] * 9, dtype=object)})
FEW = "3 classes have fewer than 3 photos: 1 'b', 1 'c', 1 'e'"


def test_rare_classes_are_kept_and_named_in_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    used = select_classes(INDEX, [*"abcde"], Ingest(min_examples=3), "photo")

    assert (used.classes, used.rare) == ([*"abcde"], ["b", "c", "e"])
    assert used.index is INDEX
    assert caplog.messages == [used.warning]
    assert used.warning.startswith(f"{FEW}. They are only trained on and cannot be tested, unless the source names")
    common = select_classes(INDEX, [*"abcde"], Ingest(min_examples=1), "photo")
    assert (common.rare, common.warning, common.rarity()) == ([], "", {})


def test_classes_that_are_spelled_alike_are_told(caplog: pytest.LogCaptureFixture) -> None:
    select_classes(INDEX, ["cat", "dog", " Cat", "DOG", "cow"], Ingest(min_examples=1), "photo")

    assert [record.getMessage() for record in caplog.records] == [
        "classes that differ only in case or spaces: 'cat'/' Cat', 'dog'/'DOG'. If they are one class, give them one "
        "name."
    ]


def test_rare_classes_are_dropped_and_the_others_numbered_anew(caplog: pytest.LogCaptureFixture) -> None:
    used = select_classes(INDEX, [*"abcde"], Ingest(min_examples=3, rare_classes="drop"), "photo")

    assert (used.classes, used.rare, used.rarity()) == (["a", "d"], [], {})
    assert used.index["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert used.index.index.tolist() == [0, 1, 4, 5, 7, 8]
    assert caplog.messages == [f"3 photos: left out, because ingest.rare_classes = 'drop'. {FEW}."]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rare_classes": "error"},
            f'{FEW}. Add photos, merge classes, or set ingest.rare_classes = "keep" or "drop".',
        ),
        ({"min_examples": 4}, "'b', 1 'c', 3 'd', 1 'e'. A classifier needs at least two other classes, to train and"),
    ],
)
def test_rare_classes_that_must_not_or_cannot_be_left_out_are_all_named(settings: Any, message: str) -> None:
    with pytest.raises(DataError) as refused:
        select_classes(INDEX, [*"abcde"], Ingest(**{"min_examples": 3} | settings), "photo")

    assert message in str(refused.value)


def test_one_class_suffices_where_the_source_names_a_test_set() -> None:
    index = INDEX.assign(part=["test", *["train"] * 8])

    assert select_classes(index, [*"abcde"], Ingest(min_examples=4), "photo").rare == [*"abcde"]
    with pytest.raises(DataError, match="needs at least two other classes"):
        select_classes(index, [*"abcde"], Ingest(min_examples=4, rare_classes="drop"), "photo")


def test_classes_with_examples_count_equally() -> None:
    labels = np.array([0, 0, 0, 2])

    assert balanced_weights(labels, 4)[labels].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])

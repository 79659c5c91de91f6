"""Held-out predictions are kept with ids and labels, and read in the order of the validation set."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification import held_out
from gristmill.domains.common.classification.held_out import (
    learning_rows,
    learning_set,
    read_held_out,
    validation_probabilities,
    write_held_out,
)
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.errors import CorruptArtifact


def examples(**counts: int) -> LabelledDataset:
    """Return examples of two classes in turn, part by part."""
    parts = [part for part, count in counts.items() for _ in range(count)]
    ids = [f"{part}/{at}" for part, count in counts.items() for at in range(count)]
    return LabelledDataset(pd.DataFrame({"id": ids, "label": np.arange(len(ids)) % 2, "part": parts}), ["no", "yes"])


def predictions(positions: Any) -> Any:
    """Return probabilities that tell the position of each example."""
    return np.column_stack([positions / 100, 1 - positions / 100])


def test_the_training_set_comes_before_the_validation_set() -> None:
    data = examples(train=6, validation=3, test=2)

    rows, found = learning_rows(data), learning_set(data)

    assert rows["id"].tolist() == [f"train/{at}" for at in range(6)] + [f"validation/{at}" for at in range(3)]
    assert (found.training.tolist(), found.validation.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8])
    assert found.labels is not None
    assert found.labels.tolist() == rows["label"].tolist()


def test_predictions_are_written_with_ids_and_labels(tmp_path: Path) -> None:
    data = examples(train=4, validation=3, test=1)

    write_held_out(data, np.arange(4, 7), predictions(np.arange(4, 7)), tmp_path)

    table = read_held_out(tmp_path)
    assert held_out.FILE == "validation.parquet"
    assert table.columns.tolist() == ["id", "label", "p_no", "p_yes"]
    assert table["id"].tolist() == ["validation/0", "validation/1", "validation/2"]
    assert table["label"].tolist() == ["no", "yes", "no"]
    assert table["p_no"].tolist() == [0.04, 0.05, 0.06]


def test_the_validation_set_is_read_in_its_order(tmp_path: Path) -> None:
    data, mixed = examples(train=9, validation=6, test=1), np.random.default_rng(0).permutation(15)

    write_held_out(data, mixed, predictions(mixed), tmp_path)

    assert len(read_held_out(tmp_path)) == 15
    assert validation_probabilities(tmp_path, data)[:, 0].tolist() == [at / 100 for at in range(9, 15)]


def test_without_a_validation_set_there_are_no_rows(tmp_path: Path) -> None:
    data, none = examples(train=4, test=2), np.arange(0)

    write_held_out(data, none, predictions(none), tmp_path)

    assert validation_probabilities(tmp_path, data).shape == (0, 2)


def test_a_missing_validation_example_is_an_error(tmp_path: Path) -> None:
    write_held_out(examples(train=4, validation=2), np.array([4, 5]), predictions(np.array([4, 5])), tmp_path)

    with pytest.raises(CorruptArtifact, match="lacks examples of the validation set"):
        validation_probabilities(tmp_path, examples(train=4, validation=3))

"""Held-out predictions are of examples that were not fitted on, each once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification import held_out
from gristmill.domains.common.classification.held_out import (
    Split,
    folds,
    has_few_examples,
    learning_rows,
    read_held_out,
    stratified_folds,
    validation_probabilities,
    validation_split,
    write_held_out,
)
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.errors import CorruptArtifact


def examples(**counts: int) -> LabelledDataset:
    """Return examples of two classes in turn, part by part."""
    parts = [part for part, count in counts.items() for _ in range(count)]
    ids = [f"{part}/{at}" for part, count in counts.items() for at in range(count)]
    return LabelledDataset(pd.DataFrame({"id": ids, "label": np.arange(len(ids)) % 2, "part": parts}), ["no", "yes"])


def predict(split: Split) -> Any:
    """Return probabilities that tell the position of each example."""
    return np.column_stack([split.predict / 100, 1 - split.predict / 100])


def test_with_many_examples_the_validation_set_is_predicted() -> None:
    data = examples(train=6, validation=3, test=2)

    split = validation_split(data)

    assert learning_rows(data)["id"].tolist() == [f"train/{at}" for at in range(6)] + [
        f"validation/{at}" for at in range(3)
    ]
    assert (split.fit.tolist(), split.predict.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8])


def test_folds_predict_each_example_once_by_the_others() -> None:
    made = folds(examples(train=20, validation=7, test=5), 5)

    assert len(made) == 5
    assert sorted(np.concatenate([split.predict for split in made])) == list(range(27))
    for split in made:
        assert sorted(np.concatenate([split.fit, split.predict])) == list(range(27))
        assert len(split.predict) in (5, 6)


def test_folds_have_the_shares_of_the_classes_and_are_drawn() -> None:
    labels = np.repeat([0, 1], [40, 10])

    owners = stratified_folds(labels, 5)

    assert [np.bincount(labels[owners == fold]).tolist() for fold in range(5)] == [[8, 2]] * 5
    assert owners[:5].tolist() != [0, 1, 2, 3, 4]
    assert owners.tolist() == stratified_folds(labels, 5).tolist()


@pytest.mark.parametrize(("training", "few"), [(899, True), (900, False)])
def test_training_and_validation_set_together_can_be_few(training: int, few: bool) -> None:
    assert has_few_examples(examples(train=training, validation=100, test=500)) == few


def test_predictions_are_written_with_ids_and_labels(tmp_path: Path) -> None:
    data = examples(train=4, validation=3, test=1)

    write_held_out(data, [validation_split(data)], predict, tmp_path)

    table = read_held_out(tmp_path)
    assert table.columns.tolist() == ["id", "label", "p_no", "p_yes"]
    assert table["id"].tolist() == ["validation/0", "validation/1", "validation/2"]
    assert table["label"].tolist() == ["no", "yes", "no"]
    assert table["p_no"].tolist() == [0.04, 0.05, 0.06]


def test_of_folds_the_validation_set_is_read_in_its_order(tmp_path: Path) -> None:
    data = examples(train=9, validation=6, test=1)

    write_held_out(data, folds(data, 3), predict, tmp_path)

    assert len(read_held_out(tmp_path)) == 15
    made = validation_probabilities(tmp_path, data)
    assert made[:, 0].tolist() == [at / 100 for at in range(9, 15)]


def test_a_missing_validation_example_is_an_error(tmp_path: Path) -> None:
    write_held_out(
        examples(train=4, validation=2), [validation_split(examples(train=4, validation=2))], predict, tmp_path
    )

    with pytest.raises(CorruptArtifact, match="lacks examples of the validation set"):
        validation_probabilities(tmp_path, examples(train=4, validation=3))


def test_an_artifact_without_held_out_predictions_has_no_rows(tmp_path: Path) -> None:
    assert len(read_held_out(tmp_path)) == 0
    assert held_out.FILE == "validation.parquet"

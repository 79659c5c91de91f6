"""Classifiers that are fitted on raw texts without gradient descent."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import keras

from gristmill.domains.common.classification.held_out import (
    CLOSED_FORM_FOLDS,
    Positions,
    Split,
    folds,
    has_few_examples,
    learning_rows,
    validation_split,
    write_held_out,
)
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.predictions import texts_of
from gristmill.domains.text.text_model import LabelledTexts, TextModel
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import write_history


@runtime_checkable
class ClosedForm(Protocol):
    """Settings of a classifier that is fitted in closed form."""

    def fit(self, data: LabelledTexts) -> TextModel:
        """Return the classifier of texts."""


def fit(model: ClosedForm, data: Prepared, ingest: Path, out: Path) -> dict[str, int]:
    """Fit a classifier on training and validation set, and write what `train` writes.

    The held-out predictions are by classifiers that were fitted on less: on the training set or, with few texts, on all
    folds but one.
    """
    labels = learning_rows(data)["label"].to_numpy()
    texts = [text for of_part in texts_of(data, ["train", "validation"], ingest).values() for text in of_part]

    def fitted(positions: Positions) -> TextModel:
        keras.backend.clear_session()  # names of layers do not depend on other work of this process
        return model.fit(LabelledTexts([texts[at] for at in positions], labels[positions], len(data.classes)))

    def predict(split: Split) -> Probabilities:
        return fitted(split.fit).probabilities([texts[at] for at in split.predict])

    enough = data.layout.counts["validation"] and not has_few_examples(data)
    write_held_out(data, [validation_split(data)] if enough else folds(data, CLOSED_FORM_FOLDS), predict, out)
    whole = fitted(learning_rows(data).index.to_numpy())
    whole.write(out)
    write_history(TrainingHistory(), out)
    return {"parameters": whole.network.count_params()}

"""Classifiers that are fitted on images without gradient descent."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import keras
import numpy as np

from gristmill.domains.common.classification.held_out import (
    CLOSED_FORM_FOLDS,
    Positions,
    Split,
    folds,
    has_few_examples,
    validation_split,
    write_held_out,
)
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.domains.vision.predictions import head_of
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import write_trained


@runtime_checkable
class ClosedForm(Protocol):
    """Settings of a classifier that is fitted in closed form."""

    def fit(self, data: LabelledImages) -> keras.Model:
        """Return the classifier, from uint8 pixels to probabilities."""


def fit(model: ClosedForm, data: Prepared, features: Path | None, out: Path) -> dict[str, int]:
    """Fit a classifier on training and validation set, and write what `train` writes.

    The held-out predictions are by classifiers that were fitted on less: on the training set or, with few images, on
    all folds but one.
    """
    images = LabelledImages.of(data, "train", "validation", features=features)

    def taken(positions: Positions) -> LabelledImages:
        chosen = np.zeros(len(images), bool)
        chosen[positions] = True
        return images.take(chosen)

    def predict(split: Split) -> Probabilities:
        return probabilities(model.fit(taken(split.fit)), taken(split.predict))

    enough = data.layout.counts["validation"] and not has_few_examples(data)
    write_held_out(data, [validation_split(data)] if enough else folds(data, CLOSED_FORM_FOLDS), predict, out)
    return write_trained(model.fit(images), TrainingHistory(), out)


def probabilities(network: keras.Model, images: LabelledImages) -> Probabilities:
    """Return the probabilities of images, (images, classes), computed from their stored features if there are any."""
    if images.features_folder is not None:
        made = head_of(network).predict_on_batch(images.stored_features())
    else:
        made = np.concatenate([network.predict_on_batch(pixels) for pixels in images.batches()])
    return np.asarray(made, np.float64)

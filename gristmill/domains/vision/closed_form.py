"""Kinds that are fitted without epochs: on each fold, and then on the training and validation set."""

import keras
import numpy as np

from gristmill.domains.common.classification.held_out import learning_set
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.fold_training import HeldOutPredictions, fit_closed_form
from gristmill.domains.common.folds import Positions
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.domains.vision.predictions import head_of
from gristmill.training.outputs import ClosedForm


def fit(model: ClosedForm, data: Prepared, balanced: bool) -> tuple[keras.Model, HeldOutPredictions]:
    """Return a classifier that is fitted on training and validation set, and its held-out predictions.

    If `balanced`, images are weighted so that all classes count equally.
    """
    images = LabelledImages.of(data, "train", "validation", balanced=balanced)

    def predict(network: keras.Model, positions: Positions) -> Probabilities:
        chosen = images.take(positions)
        if data.features and (head := head_of(network)):
            probabilities = head.predict_on_batch(chosen.stored_features())
        else:
            probabilities = np.concatenate([network.predict_on_batch(pixels) for pixels in chosen.batches()])
        return np.asarray(probabilities, np.float64)

    return fit_closed_form(learning_set(data), lambda positions: model.fit(images.take(positions)), predict)

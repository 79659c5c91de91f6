"""Learner of images."""

from functools import cached_property
from pathlib import Path
from typing import Self

import keras
import numpy as np

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.folds import Positions
from gristmill.domains.common.supervised import ClassifierLearner
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.image_classifier import ImageClassifier, head_of, probabilities_of
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.training import saved_network
from gristmill.training.train_steps import ClosedForm


class ImageLearner(ClassifierLearner[ImageClassifier]):
    """Images; where the data has features of a frozen base, only the head of a network is applied, to these."""

    noun = "images"

    def __init__(self, data: Prepared, balanced: bool = False) -> None:
        super().__init__(data, balanced)
        self._data = data

    @cached_property
    def _images(self) -> LabelledImages:
        return LabelledImages.of(self._data, balanced=self.is_balanced)

    def weighted(self, balanced: bool) -> Self:
        return type(self)(self._data, balanced)

    def fit(self, model: ClosedForm, positions: Positions) -> ImageClassifier:
        return ImageClassifier(model.fit(self._images.take(positions)))

    def predict(self, fitted: ImageClassifier, positions: Positions) -> Probabilities:
        chosen = self._images.take(positions)
        if self._data.features and (head := head_of(fitted.network)):
            return np.asarray(head.predict_on_batch(chosen.stored_features()), np.float64)
        return np.concatenate([fitted.predict(pixels) for pixels in chosen.batches()])

    def predict_test(self, fitted: ImageClassifier) -> Probabilities:
        return probabilities_of(fitted.network, self._data, "test")

    def microseconds(self, fitted: ImageClassifier) -> float:
        pixels = next(self._data.dataset("test", batch=64).as_numpy_iterator())[0]
        return saved_network.microseconds_per_row(fitted.network, pixels)

    def of_network(self, network: keras.Model) -> ImageClassifier:
        return ImageClassifier(network)

    def read(self, folder: Path) -> ImageClassifier:
        return ImageClassifier.read(folder)

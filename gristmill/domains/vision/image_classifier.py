"""Classifier of images: a network from pixels to probabilities."""

from typing import Any

import numpy as np

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.trained_model import NetworkModel


class ImageClassifier(NetworkModel):
    """A network that takes uint8 pixels, (images, height, width, channels)."""

    def predict(self, examples: Any) -> Probabilities:
        """Return the probabilities of a batch of images, (images, classes)."""
        return np.asarray(self.network.predict_on_batch(examples), np.float64)

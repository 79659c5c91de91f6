"""Classifier of images: a network from pixels to probabilities, and its head if its base is frozen."""

from typing import Any

import keras
import numpy as np

from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.common.trained_model import NetworkModel
from gristmill.domains.vision.dataset import Prepared

HEAD = "head"  # layer or network from features to probabilities or logits
CLASSIFIER = "classifier"  # network from pixels to probabilities that is no average of several

_BATCH = 256  # images


def image_input(form: tuple[int, int, int]) -> tuple[Any, Any]:
    """Return the input of uint8 pixels, (batch, height, width, channels), and the same numbers as floats."""
    image = keras.Input(form, dtype="uint8", name="image")
    return image, keras.layers.Rescaling(1.0, name="as_float")(image)


class ImageClassifier(NetworkModel):
    """A network that takes uint8 pixels, (images, height, width, channels)."""

    def predict(self, examples: Any) -> Probabilities:
        """Return the probabilities of a batch of images, (images, classes)."""
        return np.asarray(self.network.predict_on_batch(examples), np.float64)


def probabilities_of(network: keras.Model, data: Prepared, part: str) -> Probabilities:
    """Return a network's probabilities of a part, (images, classes).

    Where features are used, only the head of the network is applied, if it has one.
    """
    if data.features and (head := head_of(network)):
        rows = data.stored_features(part) if len(data.rows(part)) else np.empty(0)
        batches = [head.predict_on_batch(rows[begin : begin + _BATCH]) for begin in range(0, len(rows), _BATCH)]
    else:
        batches = [network.predict_on_batch(pixels) for pixels, _ in data.dataset(part)]
    return np.concatenate([np.empty((0, len(data.classes))), *batches])  # float64


def head_of(classifier: keras.Model) -> keras.Model | None:
    """Return the head of a classifier on a frozen base: features (batch, features) to probabilities.

    A kind in closed form has a layer for it, a network of `transfer` is nested and gives logits, and an average of
    several networks has none.
    """
    layer = classifier.layers[-1]
    if classifier.name != CLASSIFIER:
        return None
    if layer.name == HEAD:
        features = keras.Input(layer.input.shape[1:], name="features")
        return keras.Model(features, layer(features), name=HEAD)
    if not any(layer.name == "transfer" for layer in classifier.layers):
        return None
    head = classifier.get_layer("transfer").get_layer(HEAD)
    return keras.Model(head.inputs, probabilities(head.outputs[0]), name=HEAD)

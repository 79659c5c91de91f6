"""Probabilities of the classes by a trained network, image by image, and the pixels of selected images."""

import keras
import numpy as np

from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.vision.dataset import Pixels, Prepared

HEAD = "head"  # layer or network from features to probabilities or logits

_BATCH = 256  # images


def probabilities_of(network: keras.Model, data: Prepared, part: str) -> Probabilities:
    """Return a network's probabilities of a part, (images, classes).

    Where features are used, only the head of the network is applied, if it has one.
    """
    if data.features and (head := head_of(network)):
        rows = data.stored_features(part) if len(data.rows(part)) else np.empty(0)
        made = [head.predict_on_batch(rows[begin : begin + _BATCH]) for begin in range(0, len(rows), _BATCH)]
    else:
        made = [network.predict_on_batch(pixels) for pixels, _ in data.dataset(part)]
    return np.concatenate([np.empty((0, len(data.classes))), *made])  # float64


def head_of(classifier: keras.Model) -> keras.Model | None:
    """Return the head of a classifier on a frozen base: features (batch, features) to probabilities.

    A kind in closed form has a layer for it, a network of `transfer` is nested and gives logits, and an average of
    several networks has none.
    """
    if classifier.layers[-1].name == HEAD:
        layer = classifier.layers[-1]
        features = keras.Input(layer.input.shape[1:], name="features")
        return keras.Model(features, layer(features), name=HEAD)
    if not any(layer.name == "transfer" for layer in classifier.layers):
        return None
    head = classifier.get_layer("transfer").get_layer(HEAD)
    return keras.Model(head.inputs, probabilities(head.outputs[0]), name=HEAD)


def pick_pixels(data: Prepared, part: str, positions: list[int]) -> Pixels:
    """Return the pixels of images of a part, given their positions: (images, height, width, channels)."""
    found: dict[int, Pixels] = {}
    begin = 0
    for batch, _ in data.dataset(part).as_numpy_iterator():
        found |= {at: batch[at - begin] for at in positions if begin <= at < begin + len(batch)}
        begin += len(batch)
    layout = data.layout
    return np.array([found[at] for at in positions], np.uint8).reshape(-1, layout.height, layout.width, layout.channels)

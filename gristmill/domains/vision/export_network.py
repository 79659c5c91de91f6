"""The network that is published, from pixels to probabilities, and what of it follows on the features of its base."""

import keras

from gristmill.domains.common.classification.predictions import probabilities


def published(network: keras.Model) -> keras.Model:
    """Return a network of logits as one of probabilities, a number a class: (batch, classes)."""
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    logits = network(keras.layers.Rescaling(1.0, name="as_float")(pixels))
    return keras.Model(pixels, probabilities(logits), name="classifier")


def head_of(classifier: keras.Model) -> keras.Model:
    """Return the head of a published `transfer` network: features (batch, features) to probabilities."""
    head = classifier.get_layer("transfer").get_layer("head")
    return keras.Model(head.inputs, probabilities(head.outputs[0]), name="head")

"""A classifier that gives the same probabilities to every text."""

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from gristmill.domains.text.characters import Characters
from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.domains.text.text_model import Padding, TextModel
from gristmill.domains.text.token_rules import Rules


def constant_classifier(probabilities: npt.NDArray[np.float64]) -> TextModel:
    """Return the classifier that always gives `probabilities`, (classes,)."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    nothing = ops.cast(ops.sum(ops.zeros_like(tokens), axis=1, keepdims=True), "float32")
    layer = layers.Dense(len(probabilities), trainable=False, name="frequencies")
    made = layer(nothing)
    layer.set_weights([np.zeros((1, len(probabilities)), np.float32), probabilities.astype(np.float32)])
    tokenizer = Characters([*SPECIAL, "a"], Rules("character", lower=True, punctuation="keep", lines=False))
    return TextModel(tokenizer, Padding(1), keras.Model(tokens, made, name="constant"))

"""A recurrent network one token at a time: its states stand for the tokens that it has read."""

from itertools import pairwise

import keras
import tensorflow as tf

_RECURRENT = (keras.layers.GRU, keras.layers.LSTM)
_PER_TOKEN = (keras.layers.Embedding, keras.layers.Dense)  # layers that read each token by itself
_ONLY_IN_TRAINING = (keras.layers.InputLayer, keras.layers.Dropout)

States = list[list[tf.Tensor]]  # of each recurrent layer, (1, units) each


class Recurrence:
    """The layers of a network of tokens that are applied to one token after the other."""

    def __init__(self, network: keras.Model) -> None:
        """Use a network for which `reads_stepwise` holds."""
        self._layers = [layer for layer in network.layers if not isinstance(layer, _ONLY_IN_TRAINING)]

    def start(self) -> States:
        """Return the states before the first token."""
        recurrent = [layer for layer in self._layers if isinstance(layer, _RECURRENT)]
        return [[tf.zeros((1, size)) for size in tf.nest.flatten(layer.cell.state_size)] for layer in recurrent]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """Return the logits of the token after `token`, a scalar, and the new states: (vocabulary,)."""
        features, before, after = token[tf.newaxis], iter(states), []
        for layer in self._layers:
            if isinstance(layer, _RECURRENT):
                features, new = layer.cell(features, next(before), training=False)
                after.append(list(new))
            else:
                features = layer(features)
        return features[0], after


def reads_stepwise(network: keras.Model) -> bool:
    """Return whether a network is a chain of layers that read tokens from left to right."""
    layers = network.layers
    known = all(isinstance(layer, (*_RECURRENT, *_PER_TOKEN, *_ONLY_IN_TRAINING)) for layer in layers)
    return known and all(_follows(layer, before) for before, layer in pairwise(layers))


def _follows(layer: keras.Layer, before: keras.Layer) -> bool:
    """Return whether a layer has one input, the output of the layer before it."""
    return layer.input is before.output and not getattr(layer, "go_backwards", False)

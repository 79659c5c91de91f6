"""A network one token at a time: its states stand for the tokens that it has read."""

from itertools import pairwise
from typing import Any, Protocol

import keras
import tensorflow as tf

from gristmill.domains.generation.mixture import Mixed

_RECURRENT = (keras.layers.GRU, keras.layers.LSTM)
_PER_TOKEN = (keras.layers.Embedding, keras.layers.Dense, keras.layers.Softmax)  # layers that read each by itself
_ONLY_IN_TRAINING = (keras.layers.InputLayer, keras.layers.Dropout)

States = Any  # tensors in nested lists


class Stepper(Protocol):
    """A network that is applied to one token after the other."""

    def read(self, tokens: tf.Tensor) -> States:
        """Return the states after tokens, (n,), of which there may be none."""

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """Return the output, (vocabulary,), after one more token, a scalar, and the new states."""


def stepper_of(network: keras.Model, length: int) -> Stepper:
    """Return the fastest way to apply a network that reads at most the last `length` tokens."""
    mixed = Mixed.of(network)
    if mixed:
        return _Members(mixed, [stepper_of(member, length) for member in mixed.members])
    return _Recurrence(network) if _reads_stepwise(network) else _Window(network, length)


class _Members:
    """A mixture, whose members have states of their own."""

    def __init__(self, mixed: Mixed, members: list[Stepper]) -> None:
        self._mixed, self._members = mixed, members

    def read(self, tokens: tf.Tensor) -> States:
        return [member.read(tokens) for member in self._members]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        made = [member.step(token, own) for member, own in zip(self._members, states, strict=True)]
        return self._mixed.mix([output for output, _ in made]), [new for _, new in made]


class _Recurrence:
    """The layers of a chain of layers that read tokens from left to right."""

    def __init__(self, network: keras.Model) -> None:
        self._layers = [layer for layer in network.layers if not isinstance(layer, _ONLY_IN_TRAINING)]

    def read(self, tokens: tf.Tensor) -> States:
        recurrent = [layer for layer in self._layers if isinstance(layer, _RECURRENT)]
        start = [[tf.zeros((1, size)) for size in tf.nest.flatten(layer.cell.state_size)] for layer in recurrent]
        count = tf.size(tokens)

        def further(at: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
            return at + 1, self.step(tokens[at], states)[1]

        return tf.while_loop(lambda at, _: at < count, further, (tf.constant(0), start))[1]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        features, before, after = token[tf.newaxis], iter(states), []
        for layer in self._layers:
            if isinstance(layer, _RECURRENT):
                features, new = layer.cell(features, next(before), training=False)
                after.append(list(new))
            else:
                features = layer(features)
        return features[0], after


class _Window:
    """Any other network, which reads all tokens again for each new one."""

    def __init__(self, network: keras.Model, length: int) -> None:
        self._network, self._length = network, length

    def read(self, tokens: tf.Tensor) -> States:
        return [tokens]

    def step(self, token: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        tokens = tf.concat([states[0], token[tf.newaxis]], axis=0)[-self._length :]
        output = self._network(tokens[tf.newaxis], training=False)
        return output[0, -1] if len(output.shape) == 3 else output[0], [tokens]


def _reads_stepwise(network: keras.Model) -> bool:
    """Return whether a network is a chain of layers that read tokens from left to right, and predicts after each.

    One that predicts after the last token alone is scored on the beginnings of lines, of which states would know more.
    """
    layers = network.layers
    known = all(isinstance(layer, (*_RECURRENT, *_PER_TOKEN, *_ONLY_IN_TRAINING)) for layer in layers)
    known = known and all(getattr(layer, "return_sequences", True) for layer in layers)
    return known and all(_follows(layer, before) for before, layer in pairwise(layers))


def _follows(layer: keras.Layer, before: keras.Layer) -> bool:
    """Return whether a layer has one input, the output of the layer before it."""
    return layer.input is before.output and not getattr(layer, "go_backwards", False)

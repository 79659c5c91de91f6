"""A recurrent network read one token at a time predicts what it predicts for whole sequences."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.models.recurrent import Gru, Lstm, Recurrent
from gristmill.domains.generation.recurrence import Recurrence, reads_stepwise

SHAPE = Shape(vocabulary=11, length=6, after_each=True)
TOKENS = [3, 9, 2, 2, 7, 10]


@pytest.mark.parametrize("kind", [Gru, Lstm])
def test_each_step_gives_the_logits_of_the_whole_sequence(kind: type[Recurrent]) -> None:
    model = kind(kind=kind.__name__.lower(), dimensions=4, recurrent=(8, 5), dropout=0.5)
    network = model.build(SHAPE)
    recurrence = Recurrence(network)

    states, made = recurrence.start(), []
    for token in TOKENS:
        logits, states = recurrence.step(tf.constant(token), states)
        made.append(logits.numpy())

    assert reads_stepwise(network)
    assert np.stack(made) == pytest.approx(network(tf.constant([TOKENS])).numpy()[0], abs=1e-5)


def _convolution() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32")
    return keras.Model(tokens, layers.Conv1D(11, 3, padding="causal")(layers.Embedding(11, 4)(tokens)))


def _two_directions() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32")
    return keras.Model(tokens, layers.Bidirectional(layers.GRU(4))(layers.Embedding(11, 4)(tokens)))


def _backwards() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32")
    return keras.Model(tokens, layers.GRU(11, go_backwards=True)(layers.Embedding(11, 4)(tokens)))


def _with_a_shortcut() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32")
    embedded = layers.Embedding(11, 4)(tokens)
    read = layers.GRU(4, return_sequences=True)(embedded)
    return keras.Model(tokens, layers.Dense(11)(layers.Dense(4)(embedded) + read))


@pytest.mark.parametrize("build", [_convolution, _two_directions, _backwards, _with_a_shortcut])
def test_other_networks_are_read_as_a_whole(build: Callable[[], keras.Model]) -> None:
    assert not reads_stepwise(build())

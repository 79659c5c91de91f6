"""A recurrent network read one token at a time predicts what it predicts for whole sequences."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gristmill.domains.generation import serving as recurrence
from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.recurrent import Gru, Lstm, Recurrent
from gristmill.domains.generation.serving import mix_networks, stepper_of

SHAPE = Shape(vocabulary=11, length=6, after_each=True)
TOKENS = [3, 9, 2, 2, 7, 10]


def _outputs(network: keras.Model, read: int) -> np.ndarray:
    """Return the outputs after each token, of which the first `read` are read together."""
    stepper = stepper_of(network, SHAPE.length)
    states, made = stepper.read(tf.constant(TOKENS[:read], tf.int32)), []
    for token in TOKENS[read:]:
        output, states = stepper.step(tf.constant(token), states)
        made.append(output.numpy())
    return np.stack(made)


def _recurrent(kind: type[Recurrent]) -> keras.Model:
    return kind(kind=kind.__name__.lower(), dimensions=4, recurrent=(8, 5), dropout=0.5).build(SHAPE)


@pytest.mark.parametrize("read", [0, 4])
@pytest.mark.parametrize("kind", [Gru, Lstm])
def test_each_step_gives_the_logits_of_the_whole_sequence(kind: type[Recurrent], read: int) -> None:
    network = _recurrent(kind)

    made = _outputs(network, read)

    assert isinstance(stepper_of(network, SHAPE.length), recurrence._Recurrence)
    assert made == pytest.approx(network(tf.constant([TOKENS])).numpy()[0, read:], abs=1e-5)


def test_each_member_of_a_mixture_is_read_in_its_own_way() -> None:
    network = mix_networks([(_recurrent(Gru), 0.7), (_convolution(), 0.3)])

    made = _outputs(network, 2)

    assert made == pytest.approx(network(tf.constant([TOKENS])).numpy()[0, 2:], abs=1e-5)
    assert np.exp(made).sum(axis=1) == pytest.approx(1.0)


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
    assert isinstance(stepper_of(build(), SHAPE.length), recurrence._Window)

"""What a seed decides: a network's first weights, whatever else the process does, and an order."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.errors import RequestError
from gristmill.training.seeds import seeded, shuffled


def plain() -> keras.Model:
    """A network with dropout, whose state is drawn too."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(6, activation="relu"), layers.Dropout(0.3), layers.Dense(2)]
    )


def equal(one: keras.Model, other: keras.Model) -> bool:
    """Whether two networks hold the same weights and states, bit for bit."""
    held = [[np.asarray(variable.value).tobytes() for variable in network.variables] for network in (one, other)]
    return held[0] == held[1]


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    order = tf.range(100, 200, dtype=tf.int64)

    def mixed(seed: int, epoch: int) -> list[int]:
        return list(shuffled(order, seed, tf.constant(epoch, tf.int64)).numpy())

    tf.random.set_seed(5)
    first = mixed(1, 0)
    tf.random.set_seed(6)

    assert mixed(1, 0) == first
    assert sorted(first) == list(range(100, 200))
    assert len({tuple(mixed(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_a_network_is_named_and_filled_by_its_seed_not_by_what_was_built_before() -> None:
    first = seeded(plain, 3)
    plain()
    second = seeded(plain, 3)

    assert first.to_json() == second.to_json()
    assert equal(first, second)
    assert not equal(first, seeded(plain, 4))


def test_what_other_threads_draw_does_not_change_a_network() -> None:
    """As Prefect's may, from the generator that Keras draws the seeds of layers from."""
    disturbances = iter([1, 0, 2, 1])  # draws before each of the first builds

    def disturbed() -> keras.Model:
        for _ in range(next(disturbances, 0)):
            random.shuffle([1, 2])
        return plain()

    first = seeded(plain, 3)

    assert equal(first, seeded(disturbed, 3))


def test_a_network_that_no_seed_decides_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.training.seeds._MAX_BUILDS", 3)
    unseeded = np.random.default_rng()

    def build() -> keras.Model:
        network = plain()
        network.layers[-1].bias.assign([unseeded.random(), 0.0])
        return network

    with pytest.raises(
        RequestError, match=r"^the network's first weights differ each time it is built with the seed 3"
    ):
        seeded(build, 3)

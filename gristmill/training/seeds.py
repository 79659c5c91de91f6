"""Reproducible initial weights and order of training data, from a seed alone."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import RequestError

_MAX_BUILDS = 20  # attempts to build a network while no other thread draws random numbers


def seeded(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    """Build a network whose weights and names depend on the seed alone, not on other work of this process.

    Keras draws the seeds of initialisers and dropout from Python's global generator. Other threads, such as Prefect's,
    draw from it, too, which shifts the rest. So the network is built until two builds in a row are equal.

    Raises:
        RequestError: builds always differ: `build` draws random numbers without a seed.
    """
    before: list[bytes] | None = None
    for attempt in range(_MAX_BUILDS + 1):
        # Collecting garbage takes longer than building a network, so the second build leaves it out.
        keras.backend.clear_session(free_memory=attempt != 1)
        keras.utils.set_random_seed(seed)
        network = build()
        weights = [np.asarray(variable.value).tobytes() for variable in network.variables]
        if weights == before:
            return network
        before = weights
    raise RequestError(
        f"the network's first weights differ each time it is built with the seed {seed}. "
        "Let the model's function draw from keras.random, numpy.random or random alone."
    )


def shuffled(order: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Return `order` shuffled; the permutation depends on seed and epoch alone."""
    return tf.random.experimental.stateless_shuffle(
        order, seed=tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    )

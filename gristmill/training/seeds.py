"""What depends on a seed alone: a network's first weights, and the order of what it is trained on."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import RequestError

_BUILDS = 20  # tries to build a network without another thread drawing random numbers meanwhile


def seeded(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    """Build a network whose weights and names depend on the seed alone, not on what else this process does.

    Keras draws the seeds of initialisers and dropout from Python's global generator, and so do other threads, such as
    Prefect's: what they draw meanwhile shifts the rest. So a network counts once it was built twice alike in a row.

    Raises:
        RequestError: it never is: `build` draws from something that has no seed.
    """
    network = _built(build, seed)
    for _ in range(_BUILDS):
        before, network = network, _built(build, seed)
        if _equal(before, network):
            return network
    raise RequestError(
        f"the network's first weights differ each time it is built with the seed {seed}. "
        "Let the model's function draw from keras.random, numpy.random or random alone."
    )


def _built(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return build()


def _equal(one: keras.Model, other: keras.Model) -> bool:
    """Whether two networks have the same variables, bit for bit."""
    pairs = zip(one.variables, other.variables, strict=True)
    return all(np.asarray(mine.value).tobytes() == np.asarray(its.value).tobytes() for mine, its in pairs)


def shuffled(order: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Return `order` shuffled in a way that depends on seed and epoch alone."""
    return tf.random.experimental.stateless_shuffle(
        order, seed=tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    )

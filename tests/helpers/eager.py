"""TensorFlow without tracing, which takes longer than the few calls of a test.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest


@contextmanager
def eagerly() -> Iterator[None]:
    """Run functions operation by operation, also those that `tf.function` would compile, in the whole process."""
    import tensorflow as tf

    from gristmill.training import saved_network

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(saved_network, "_predict_function", _Untraced)  # traced whatever TensorFlow is told
            warnings.filterwarnings("ignore", "Even though the `tf.config.*does not apply to tf.data functions")
            yield
    finally:
        tf.config.run_functions_eagerly(before)


class _Untraced:
    """Stands for the function of a network that is traced for each shape of a row."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def get_concrete_function(self, shape: Any) -> Any:
        return partial(self._network, training=False)

"""TensorFlow without tracing, which takes longer than the few calls of a test.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
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
            patch.setattr(saved_network, "_FUNCTIONS", _Untraced())  # these are traced in eager mode, too
            warnings.filterwarnings("ignore", "Even though the `tf.config.*does not apply to tf.data functions")
            yield
    finally:
        tf.config.run_functions_eagerly(before)


class _Untraced(dict[Any, Any]):
    """Stands for the functions of networks, which are traced for each shape of a row."""

    def __missing__(self, network: Any) -> Any:
        return SimpleNamespace(get_concrete_function=lambda _: partial(network, training=False))

    def __contains__(self, network: object) -> bool:
        return True

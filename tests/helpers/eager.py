"""TensorFlow without tracing, which takes longer than the few calls of a test.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def eagerly() -> Iterator[None]:
    """Run functions operation by operation, also those that `tf.function` would compile, in the whole process."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Even though the `tf.config.*does not apply to tf.data functions")
            yield
    finally:
        tf.config.run_functions_eagerly(before)

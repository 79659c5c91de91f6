"""Errors of a failing disk under TensorFlow, translated to Python's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import errorcode
from pathlib import Path

import tensorflow as tf

_NUMBERS = {os.strerror(number): number for number in errorcode}


@contextmanager
def translate_tf_disk_errors(path: Path) -> Iterator[None]:
    """Raise `OSError` with its number if the disk is full or broken, in place of TensorFlow's own errors.

    The number is found by the kernel's words at the end of TensorFlow's message: TensorFlow's classes do not tell a
    full disk from a file size limit, and no attribute holds the number.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = max((words for words in _NUMBERS if f"; {words}" in error.message), key=len, default=None)
        if reason is None:
            raise
        raise OSError(_NUMBERS[reason], reason, str(path)) from None

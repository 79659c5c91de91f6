"""A disk that fails where TensorFlow writes, told as Python tells it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import errorcode
from pathlib import Path

import tensorflow as tf

_NUMBERS = {os.strerror(number): number for number in errorcode}


@contextmanager
def translate_tf_disk_errors(path: Path) -> Iterator[None]:
    """Tell of a disk that is full or broken as Python does: by an `OSError` with its number.

    TensorFlow has classes of its own for it, and ends its message with the kernel's words. They are read here, and here
    alone: its classes do not tell a full disk from a file that may not grow, and no attribute holds the number.
    """
    try:
        yield
    except tf.errors.OpError as error:
        said = max((words for words in _NUMBERS if f"; {words}" in error.message), key=len, default=None)
        if said is None:
            raise
        raise OSError(_NUMBERS[said], said, str(path)) from None

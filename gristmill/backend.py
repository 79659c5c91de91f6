"""Keras as every stage gets it: on TensorFlow, at its defaults whatever the user's configuration says, and quiet."""

import contextlib
import logging
import os
from collections.abc import Iterator

from gristmill.errors import WorkError


def import_keras() -> None:
    """Import Keras on TensorFlow and undo what a `keras.json` may have set: it is in no key, so it must not matter.

    Raises:
        WorkError: this process has Keras on another backend already.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with stderr_closed():  # TensorFlow 2.21 writes some lines whatever its log level is
        import keras
    if keras.config.backend() != "tensorflow":
        raise WorkError(
            f"Keras runs on {keras.config.backend()} in this process. Start a new one, in which gristmill loads it."
        )
    for name in ("tensorflow", "absl"):  # they advise on how Keras and TFDS call them, which is their affair
        logging.getLogger(name).setLevel(logging.ERROR)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


@contextlib.contextmanager
def stderr_closed() -> Iterator[None]:
    """Drop what is written to standard error in the block, by native code too. Errors are raised as ever."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)

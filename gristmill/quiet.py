"""TensorFlow imported without its chatter."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator


def quiet() -> None:
    """Set, before TensorFlow is imported, what it reads from the environment."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def import_keras() -> None:
    """Import Keras on TensorFlow, without the lines that TensorFlow 2.21 writes whatever its log level is."""
    quiet()
    with native_stderr_closed():
        importlib.import_module("keras")


@contextlib.contextmanager
def native_stderr_closed() -> Iterator[None]:
    """Drop what native code writes to standard error in the block; what Python writes is kept."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    python = sys.stderr
    sys.stderr = os.fdopen(os.dup(terminal), "w", buffering=1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        sys.stderr.close()
        sys.stderr = python
        os.close(terminal)
        os.close(nowhere)

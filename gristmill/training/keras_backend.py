"""Keras as every stage gets it: on TensorFlow, at its defaults whatever the user's configuration says, and quiet."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from gristmill.errors import WorkError
from gristmill.training import progress
from gristmill.util.gc_freeze import gc_frozen

THREADS_VARIABLE = "GRISTMILL_THREADS"  # how many TensorFlow uses in this process, and in those that it starts
LINEAR_ALGEBRA_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""How many the linear algebra of NumPy and SciPy uses, whichever it is: looked at when they are imported."""


def set_threads(count: int | None) -> None:
    """Have TensorFlow, NumPy and SciPy use so many threads, or as many as they choose, from when they are imported.

    Sums of floats may be taken in another order by another number of threads, so it is one for every process of a
    project: that of a plain run, of a trial, of a Dask cluster's worker, of the reloading of what is exported.
    """
    names = (THREADS_VARIABLE, *LINEAR_ALGEBRA_VARIABLES)
    if count:
        os.environ |= dict.fromkeys(names, str(count))
    elif THREADS_VARIABLE in os.environ:  # which another project has set here
        for name in names:
            os.environ.pop(name, None)


def import_keras() -> None:
    """Import Keras on TensorFlow and undo what a `keras.json` may have set: it is in no key, so it must not matter.

    Raises:
        WorkError: this process has Keras on another backend already, or TensorFlow with other threads.
    """
    if "keras" not in sys.modules:
        progress.report_work("tensorflow", "loading")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with silence_stderr(), gc_frozen():  # TensorFlow 2.21 writes some lines whatever its log level is
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
    _limit_threads(int(os.environ.get(THREADS_VARIABLE, 0)))


def _limit_threads(count: int) -> None:
    if not count:
        return
    from tensorflow.config import threading

    try:
        threading.set_intra_op_parallelism_threads(count)
        threading.set_inter_op_parallelism_threads(count)
    except RuntimeError:  # it works already
        raise WorkError(
            f"TensorFlow has begun in this process without [runner] threads = {count}. "
            "Start a new process, in which gristmill loads it."
        ) from None


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
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

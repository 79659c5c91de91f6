"""Import Keras on TensorFlow with default settings, regardless of the user's configuration, and without log output."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from gristmill.errors import WorkError
from gristmill.training import progress
from gristmill.util.gc_freeze import gc_frozen

THREADS_VARIABLE = "GRISTMILL_THREADS"  # threads of TensorFlow in this process and its children
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LINEAR_ALGEBRA_VARIABLES = ("OMP_NUM_THREADS", *_BLAS_VARIABLES)
"""Threads of the linear algebra of NumPy and SciPy, for each library; read when they are imported."""


def set_threads(count: int | None) -> None:
    """Set the number of threads of TensorFlow, NumPy and SciPy, before they are imported.

    If it is None, TensorFlow chooses its own, and linear algebra has one, unless the user has set its variable: models
    in closed form multiply small matrices thousands of times, for which threads that wait for each other took up to
    twenty times as long on a busy machine.

    Another number of threads may add floats in another order. So it is the same in every process of a project: runs,
    trials, workers of a Dask cluster, and the process that reloads exported models.
    """
    names = (THREADS_VARIABLE, *LINEAR_ALGEBRA_VARIABLES)
    if count:
        os.environ |= dict.fromkeys(names, str(count))
        return
    if THREADS_VARIABLE in os.environ:  # set here by another project
        for name in names:
            os.environ.pop(name, None)
    for name in _BLAS_VARIABLES:
        os.environ.setdefault(name, "1")


def import_keras() -> None:
    """Import Keras on TensorFlow and reset what a `keras.json` may have set, because cache keys do not hold it.

    Raises:
        WorkError: this process already uses Keras on another backend, or TensorFlow with other threads.
    """
    if "keras" not in sys.modules:
        progress.report_work("tensorflow", "loading")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with silence_stderr(), gc_frozen():  # TensorFlow 2.21 writes some lines at any log level
        import keras
        from tensorflow.config import optimizer, threading
    if keras.config.backend() != "tensorflow":
        raise WorkError(
            f"Keras runs on {keras.config.backend()} in this process. Start a new one, in which gristmill loads it."
        )
    for name in ("tensorflow", "absl"):  # they give advice on calls that Keras and TFDS make
        logging.getLogger(name).setLevel(logging.ERROR)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    # It replaces chains of additions by AddN, whose order depends on timing and changes the last digit.
    optimizer.set_experimental_options({"arithmetic_optimization": False})
    if count := int(os.environ.get(THREADS_VARIABLE, 0)):
        try:
            threading.set_intra_op_parallelism_threads(count)
            threading.set_inter_op_parallelism_threads(count)
        except RuntimeError:  # TensorFlow has started its threads
            raise WorkError(
                f"TensorFlow has begun in this process without [runner] threads = {count}. "
                "Start a new process, in which gristmill loads it."
            ) from None


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
    """Drop what is written to standard error in the block, including by native code. Errors are raised as usual."""
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)

"""A trained network on disk: its architecture as JSON and its variables as plain arrays.

A `.keras` file holds the date it was saved, so equal networks would have different files, and Keras does not check a
hash of its weights. The two files here are equal for equal networks, and cannot carry code. Export writes the `.keras`
file for other programs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref
from zipfile import BadZipFile, ZipFile

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.errors import CorruptArtifact, WorkError
from gristmill.settings.messages import keras_reason
from gristmill.util import npy_header
from gristmill.util.timing import fastest

BATCH_ROWS = 1024  # the last digits of a prediction may depend on the rows that share its batch
_MAX_UNCOMPILED_ROWS = 4 * BATCH_ROWS  # exponential smoothing of series holds 40 KB for each row
_FUNCTIONS = WeakKeyDictionary[keras.Model, Any]()


def write(network: keras.Model, folder: Path) -> None:
    """Write `architecture.json` and `weights.npz`."""
    (folder / "architecture.json").write_text(network.to_json())
    arrays: dict[str, Any] = {f"{at:04d}": np.asarray(variable.value) for at, variable in enumerate(network.variables)}
    np.savez(folder / "weights.npz", allow_pickle=False, **arrays)


def read(folder: Path) -> keras.Model:
    """Return the network of a folder whose hashes were verified.

    Raises:
        CorruptArtifact: the weights do not fit the architecture, or a file cannot be read safely.
        WorkError: the network does not fit into memory.
    """
    architecture, weights = folder / "architecture.json", folder / "weights.npz"
    with translate_load_errors(architecture, "train"):
        network = keras.models.model_from_json(architecture.read_text())
    with translate_load_errors(weights, "train"):
        # Compare shapes and types before any values are read, because they may be larger than memory.
        headers = []
        with ZipFile(weights) as archive:
            for name in sorted(archive.namelist()):
                with archive.open(name) as array:
                    shape, _, dtype = npy_header.read_npy_header(array)
                headers.append((shape, dtype.name))
        if headers != [(tuple(variable.shape), variable.dtype) for variable in network.variables]:
            raise CorruptArtifact(f"{folder}: the weights do not fit the architecture. Run again with --refresh train.")
        with np.load(weights, allow_pickle=False) as arrays:
            for name, variable in zip(sorted(arrays), network.variables, strict=True):
                variable.assign(arrays[name])
    return network


def predict_in_batches(network: keras.Model, inputs: Any) -> npt.NDArray[np.float32]:
    """Return a network's predictions, (rows, …), for an array or a dictionary of arrays, (rows, …).

    They equal those of `Model.predict`, whose input pipeline takes longer than some thousand rows do. Not for a network
    on several devices, where each device would predict all rows.
    """
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    shape = keras.tree.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), tensors)
    # `tf.function` compiles the network once for each shape of a row. `Model.predict_on_batch` compiles for the number
    # of rows of its first batch, and then rounds otherwise than for another number: the same rows would get other
    # predictions, depending on what was predicted before.
    if network not in _FUNCTIONS:
        weak: Callable[[], Any] = ref(network)  # the dictionary would keep a network that its value holds
        _FUNCTIONS[network] = tf.function(lambda tensors: weak()(tensors, training=False))
    predict = _FUNCTIONS[network].get_concrete_function(shape)
    rows = len(keras.tree.flatten(tensors)[0])
    batches = (slice(begin, begin + BATCH_ROWS) for begin in range(0, rows, BATCH_ROWS))
    return np.concatenate([predict(keras.tree.map_structure(itemgetter(batch), tensors)) for batch in batches])


def predict_once(network: keras.Model, inputs: Any) -> npt.NDArray[np.float32]:
    """Return the predictions of a network that is not used again: of few rows without compiling it, which takes longer.

    The last digits may differ from those of `predict_in_batches`.
    """
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    if len(keras.tree.flatten(tensors)[0]) > _MAX_UNCOMPILED_ROWS:
        return predict_in_batches(network, tensors)
    return np.asarray(network(tensors, training=False))


def microseconds_per_row(network: keras.Model, inputs: Any) -> float:
    """Return the time of a prediction in a batch."""
    rows = len(keras.tree.flatten(inputs)[0])
    return fastest(lambda: predict_in_batches(network, inputs)) / max(rows, 1) * 1e6


@contextmanager
def translate_load_errors(path: Path, stage: str) -> Iterator[None]:
    """Translate errors of Keras, NumPy and TensorFlow on a stage's files that are damaged, too large or carry code.

    Raises:
        CorruptArtifact: the file is damaged or refused.
        WorkError: the content does not fit into memory, so the file may be sound.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise WorkError(f"{path}: takes more memory than is free. Free some.") from None
    except (KeyError, OSError, TypeError, ValueError, tf.errors.OpError, BadZipFile) as error:
        if isinstance(error, OSError) and error.errno:  # errors of the disk have a number, those of h5py do not
            raise
        raise CorruptArtifact(
            f"{path}: refused ({keras_reason(error)}). Nothing in it was run. Run again with --refresh {stage}."
        ) from None


def as_tensors(inputs: npt.NDArray[Any]) -> Any:
    """Return inputs as a tensor, or, for a structured array, as a dictionary of tensors by field."""
    names = inputs.dtype.names
    return {name: tf.constant(inputs[name]) for name in names} if names else tf.constant(inputs)

"""A trained network on disk: its architecture as JSON and its variables as plain arrays.

Not a `.keras` file: that holds the date it was saved, so equal networks would differ, and its weights are not
hashed. These two files are equal for equal networks, and neither can carry code. The `.keras` file for other
programs is written by export.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.errors import CorruptArtifact, RequestError, WorkError
from gristmill.settings.messages import keras_reason
from gristmill.util import npy_header

_BATCH = 1024  # rows


def write(network: keras.Model, folder: Path) -> None:
    """Write `architecture.json` and `weights.npz`."""
    (folder / "architecture.json").write_text(network.to_json())
    arrays: dict[str, Any] = {
        f"{index:04d}": np.asarray(variable.value) for index, variable in enumerate(network.variables)
    }
    np.savez(folder / "weights.npz", allow_pickle=False, **arrays)


def read(folder: Path) -> keras.Model:
    """Return the network that `write` wrote to a folder whose hashes were verified.

    Raises:
        CorruptArtifact: the arrays do not fit the architecture, or either file is refused.
        WorkError: the network takes more memory than there is.
    """
    architecture, weights = folder / "architecture.json", folder / "weights.npz"
    with translate_load_errors(architecture, "train"):
        network = keras.models.model_from_json(architecture.read_text())
    with translate_load_errors(weights, "train"):
        if _declared(weights) != [(tuple(variable.shape), variable.dtype) for variable in network.variables]:
            raise CorruptArtifact(f"{folder}: the weights do not fit the architecture. Run again with --refresh train.")
        with np.load(weights, allow_pickle=False) as arrays:
            for name, variable in zip(sorted(arrays), network.variables, strict=True):
                variable.assign(arrays[name])
    return network


def predict_in_batches(network: keras.Model, inputs: Any) -> npt.NDArray[np.float32]:
    """Return a network's predictions, (rows, …), of an array or a dictionary of them, (rows, …).

    Those of `Model.predict`, which makes an input pipeline for each call; that takes longer than some thousand rows do.
    Not for a network of several devices, each of which would be shown all rows.
    """
    rows = len(keras.tree.flatten(inputs)[0])
    batches = ((begin, begin + _BATCH) for begin in range(0, rows, _BATCH))
    made = [network.predict_on_batch(keras.tree.map_structure(itemgetter(slice(*at)), inputs)) for at in batches]
    return np.concatenate(made)


def _declared(weights: Path) -> list[tuple[tuple[int, ...], str]]:
    """Return the shape and type that each array says it has, of which none is read: they may be larger than memory."""
    declared = []
    with ZipFile(weights) as archive:
        for name in sorted(archive.namelist()):
            with archive.open(name) as array:
                shape, _, dtype = npy_header.read_npy_header(array)
            declared.append((shape, dtype.name))
    return declared


@contextmanager
def translate_load_errors(place: Path, stage: str) -> Iterator[None]:
    """Tell in one line what Keras, NumPy and TensorFlow refuse to read: what is damaged, too large or carries code.

    Args:
        place: the file that is read.
        stage: which wrote it.

    Raises:
        CorruptArtifact: naming the file.
        WorkError: what it holds takes more memory than there is, which says nothing against it.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise WorkError(f"{place}: takes more memory than there is. Free some.") from None
    except (KeyError, OSError, TypeError, ValueError, tf.errors.OpError, BadZipFile) as error:
        if isinstance(error, OSError) and error.errno:  # of the disk, and not of h5py, whose own have no number
            raise
        raise CorruptArtifact(
            f"{place}: refused ({keras_reason(error)}). Nothing in it was run. Run again with --refresh {stage}."
        ) from None


def warm_start(network: keras.Model, folder: Path) -> None:
    """Give a network the weights of one that `write` wrote.

    Raises:
        RequestError: they have other shapes.
    """
    learned = read(folder).variables
    if [tuple(variable.shape) for variable in learned] != [tuple(variable.shape) for variable in network.variables]:
        raise RequestError(
            "schedule.warm_start begins from the champion's weights, but its network has another shape than the one to "
            "train. Set it to false until a champion of this shape was promoted."
        )
    for variable, value in zip(network.variables, learned, strict=True):
        variable.assign(value)


def as_tensors(inputs: npt.NDArray[Any]) -> Any:
    """Return what a network takes: a tensor, or, of a structured array, a tensor for each of its fields by name."""
    names = inputs.dtype.names
    return {name: tf.constant(inputs[name]) for name in names} if names else tf.constant(inputs)

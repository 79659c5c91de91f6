"""A trained network on disk: its architecture as JSON and its variables as plain arrays.

Not a `.keras` file: that holds the date it was saved, so equal networks would differ, and its weights are not
hashed. These two files are equal for equal networks, and neither can carry code. The `.keras` file for other
programs is written by export.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.errors import CorruptArtifact, RequestError


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
        CorruptArtifact: the arrays do not fit the architecture.
    """
    network = keras.models.model_from_json((folder / "architecture.json").read_text())
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        shapes = [arrays[name].shape for name in sorted(arrays)]
        if shapes != [tuple(variable.shape) for variable in network.variables]:
            raise CorruptArtifact(f"{folder}: the weights do not fit the architecture. Run again with --refresh train.")
        for name, variable in zip(sorted(arrays), network.variables, strict=True):
            variable.assign(arrays[name])
    return network


def begin_from(network: keras.Model, folder: Path) -> None:
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


def tensors(inputs: npt.NDArray[Any]) -> Any:
    """Return what a network takes: a tensor, or, of a structured array, a tensor for each of its fields by name."""
    names = inputs.dtype.names
    return {name: tf.constant(inputs[name]) for name in names} if names else tf.constant(inputs)

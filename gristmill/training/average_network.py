"""Weighted average of networks as one network."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Members = Sequence[tuple[keras.Model, float]]  # networks with equal inputs, and their weights

AVERAGE = "average"
"""Name of the layer of the weights."""


def average_networks(members: Members, inputs: Any = None, see: Callable[[keras.Model], Any] | None = None) -> Any:
    """Return the network of the weighted average; a single network as it is.

    Its inputs are those of the members, or `inputs`, of which a member gets what `see` returns.
    """
    first = members[0][0]
    if len(members) == 1:
        return first
    if inputs is None:
        inputs = keras.tree.map_structure(
            lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name), first.input
        )
    parts = []
    for number, (network, _) in enumerate(members):
        member = keras.Model(network.input, network.output, name=f"member_{number}")  # names must differ
        parts.append(member(see(network) if see else inputs))
    return keras.Model(inputs, weighted_mean(parts, [weight for _, weight in members]), name="ensemble")


def weighted_mean(outputs: Sequence[Any], weights: Sequence[float]) -> Any:
    """Return the weighted mean of outputs of equal shape, as one product.

    TensorFlow would add three or more tensors in the order in which their memory is freed, so the last digit of the sum
    would change from call to call.
    """
    layer = keras.layers.Dense(1, use_bias=False, trainable=False, name=AVERAGE)
    mean = layer(ops.stack(outputs, axis=-1))[..., 0]
    layer.set_weights([np.array(weights, np.float32)[:, np.newaxis]])
    return mean


def equal_average(networks: Sequence[keras.Model]) -> keras.Model:
    """Return the network of the mean of networks."""
    return average_networks([(network, 1 / len(networks)) for network in networks])

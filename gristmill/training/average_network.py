"""Weighted average of networks as one network."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

Members = Sequence[tuple[keras.Model, float]]  # networks with equal inputs, and their weights


def average_networks(members: Members, inputs: Any = None, see: Callable[[keras.Model], Any] | None = None) -> Any:
    """Return the network of the weighted average; a single network as it is.

    Its inputs are those of the members, or `inputs`, of which a member gets what `see` returns.
    """
    first = members[0][0]
    if len(members) == 1:
        return first
    if inputs is None:
        inputs = keras.tree.map_structure(
            lambda one: keras.Input(one.shape[1:], dtype=one.dtype, name=one.name), first.input
        )
    parts = []
    for number, (network, weight) in enumerate(members):
        member = keras.Model(network.input, network.output, name=f"member_{number}")  # names must differ
        seen = see(network) if see else inputs
        parts.append(keras.layers.Rescaling(weight, name=f"weight_{number}")(member(seen)))
    return keras.Model(inputs, keras.layers.Add(name="average")(parts), name="ensemble")


def equal_average(networks: Sequence[keras.Model]) -> keras.Model:
    """Return the network of the mean of networks."""
    return average_networks([(network, 1 / len(networks)) for network in networks])

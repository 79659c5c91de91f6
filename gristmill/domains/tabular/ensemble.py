"""Weighted average of networks as one network, from raw inputs to predictions in the target's units."""

from collections.abc import Sequence

import keras

from gristmill.domains.tabular.dataset import Layout
from gristmill.domains.tabular.encoder import only, raw_input


def average(members: Sequence[tuple[keras.Model, float]], layout: Layout) -> keras.Model:
    """Return the weighted average of networks; a single one as it is."""
    if len(members) == 1:
        return members[0][0]
    inputs = only(raw_input(layout))
    parts = []
    for number, (network, weight) in enumerate(members):
        member = keras.Model(network.input, network.output, name=f"member_{number}")  # names must differ
        parts.append(keras.layers.Rescaling(weight, name=f"weight_{number}")(member(inputs)))
    return keras.Model(inputs, keras.layers.Add(name="average")(parts), name="ensemble")

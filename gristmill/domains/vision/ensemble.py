"""Weighted averages of classifiers as one network, from uint8 pixels to probabilities."""

from dataclasses import dataclass

import keras

from gristmill.domains.common.classification.temperature import scale_in_graph


@dataclass(frozen=True)
class Member:
    """One classifier of an average."""

    name: str
    network: keras.Model
    weight: float
    temperature: float = 1.0  # that its probabilities are scaled by before they are averaged


def average(members: list[Member]) -> keras.Model:
    """Return the network of the weighted average; the weights sum to 1."""
    pixels = keras.Input(members[0].network.input_shape[1:], dtype="uint8", name="image")
    weighted = []
    for member in members:
        member.network.name = member.name  # the layers of a network need different names
        made = member.network(pixels)
        scaled = made if member.temperature == 1 else scale_in_graph(made, member.temperature)
        weighted.append(member.weight * scaled)
    return keras.Model(pixels, sum(weighted[1:], weighted[0]), name="classifier")

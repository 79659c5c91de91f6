"""Weighted mean of the probabilities that several networks give to the next token, as one network of logits.

A network generalises over contexts, n-grams remember them. Their mean often needs fewer bits than either (Mikolov,
Deoras, Kombrink, Burget & Černocký, "Empirical evaluation and combination of advanced language modeling techniques",
Interspeech 2011).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from gristmill.training.average_network import AVERAGE, Members, average_networks

_NAME = "mean_of_probabilities"
_MIN_PROBABILITY = 1e-30


@dataclass(frozen=True)
class Mixed:
    """The parts of a mixture."""

    members: list[keras.Model]  # from tokens to probabilities of the next token
    average: keras.Layer

    @classmethod
    def of(cls, network: keras.Model) -> Self | None:
        """Return the parts of a network that `mix_networks` made; None for others."""
        if network.name != _NAME:
            return None
        members = [layer for layer in network.layers if isinstance(layer, keras.Model)]
        return cls(members, network.get_layer(AVERAGE))

    def mix(self, probabilities: Sequence[Any]) -> Any:
        """Return the logits of the next token, from the probabilities of each member."""
        return _logits(self.average(ops.stack(probabilities, axis=-1))[..., 0])


def mix_networks(members: Members) -> keras.Model:
    """Return the network of logits of the weighted mean of probabilities; a single network as it is."""
    if len(members) == 1:
        return members[0][0]
    normalised = [
        (keras.Model(network.input, keras.layers.Softmax()(network.output)), weight) for network, weight in members
    ]
    average = average_networks(normalised)
    return keras.Model(average.input, _logits(average.output), name=_NAME)


def _logits(probabilities: Any) -> Any:
    return ops.log(ops.maximum(probabilities, _MIN_PROBABILITY))

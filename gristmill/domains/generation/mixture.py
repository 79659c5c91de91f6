"""Weighted mean of the probabilities that several networks give to the next token, as one network of logits.

A network generalises over contexts, n-grams remember them. Their mean often needs fewer bits than either (Mikolov,
Deoras, Kombrink, Burget & Černocký, "Empirical evaluation and combination of advanced language modeling techniques",
Interspeech 2011).
"""

from typing import Any

import keras
from keras import ops

from gristmill.training.average_network import Members, average_networks

MIXTURE = "mean_of_probabilities"
"""Name of a network of several members."""

_MIN_PROBABILITY = 1e-30


def mix_networks(members: Members) -> keras.Model:
    """Return the network of logits of the weighted mean of probabilities; a single network as it is."""
    if len(members) == 1:
        return members[0][0]
    normalised = [
        (keras.Model(network.input, keras.layers.Softmax()(network.output)), weight) for network, weight in members
    ]
    average = average_networks(normalised)
    return keras.Model(average.input, logits_of(average.output), name=MIXTURE)


def logits_of(probabilities: Any) -> Any:
    """Return the logarithms of probabilities."""
    return ops.log(ops.maximum(probabilities, _MIN_PROBABILITY))

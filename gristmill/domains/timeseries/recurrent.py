"""Stacks of recurrent layers, shared by the models that are made of them."""

from collections.abc import Sequence
from typing import Any

from keras import layers


def stack(cell: type[Any], widths: Sequence[int], sequence: bool, bidirectional: bool = False) -> list[Any]:
    """Return recurrent layers one on the other: all but the last give their whole sequence.

    Args:
        cell: `layers.LSTM` or its like.
        widths: units of each layer.
        sequence: whether the last layer gives its sequence too, and not its final state alone.
        bidirectional: read each window from both ends, which doubles the features.
    """
    whole = [True] * (len(widths) - 1) + [sequence]
    made = [cell(width, return_sequences=keep) for width, keep in zip(widths, whole, strict=True)]
    return [layers.Bidirectional(layer) for layer in made] if bidirectional else made

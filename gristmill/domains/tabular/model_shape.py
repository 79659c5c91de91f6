"""Input and output shape of a network for tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Shape of a network from encoded rows, float32 (batch, features), to (batch, outputs)."""

    features: int
    outputs: int  # one standardised number; or logits, one for two classes, otherwise one per class

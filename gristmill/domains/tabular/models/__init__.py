"""Models of rows.

A model is a settings class with a method `build(shape)` or `fit(data)`. `build` returns an uncompiled Keras model from
encoded rows (batch, features) to (batch, outputs); `fit` returns one from raw inputs to predictions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Shape of a network from encoded rows, float32 (batch, features), to (batch, outputs)."""

    features: int
    outputs: int  # one standardised number; or logits, one for two classes, otherwise one per class

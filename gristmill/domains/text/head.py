"""The dense layers that end every classifier of texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def head(features: "keras.KerasTensor", units: Sequence[int], dropout: float, outputs: int) -> "keras.KerasTensor":
    """Return logits, (batch, outputs), of a text's features, (batch, features).

    Args:
        features: what is known of each text.
        units: of each hidden layer, relu.
        dropout: share of the features that is left out before the first layer, in training.
        outputs: logits.
    """
    from keras import layers

    features = layers.Dropout(dropout)(features)
    for width in units:
        features = layers.Dense(width, activation="relu")(features)
    return layers.Dense(outputs)(features)

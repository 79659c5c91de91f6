"""Layers that the text classifiers share: the embedding, pooling that ignores padding, and the dense layers at the end.

Keras' own pooling layers either include padding (max) or return NaN for a text without tokens (average under a mask).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gristmill.domains.text.models import Shape
from gristmill.domains.text.tokens import UNKNOWN
from gristmill.errors import RequestError

if TYPE_CHECKING:
    import keras

_FACTORS = (2_654_435_761, 2_246_822_519)  # primes by which a hash spreads pairs of tokens
_LARGE = 1e9  # subtracted from the features of padding, so that none of them is the maximum


def embedded(
    tokens: "keras.KerasTensor", shape: Shape, dimensions: int, freeze_vectors: bool, *, mask_zero: bool = False
) -> "keras.KerasTensor":
    """Return the vector of each token, (batch, steps, dimensions); pretrained vectors keep their own dimensions.

    Raises:
        RequestError: vectors are to be frozen, but there are none.
    """
    from keras import layers

    if shape.vectors is None:
        if freeze_vectors:
            raise RequestError("model.freeze_vectors: there are no vectors to keep. Set preprocess.vectors to a file.")
        return layers.Embedding(shape.vocabulary, dimensions, mask_zero=mask_zero)(tokens)
    layer = layers.Embedding(*shape.vectors.shape, mask_zero=mask_zero, trainable=not freeze_vectors)
    features = layer(tokens)
    layer.set_weights([shape.vectors])
    return features


def hashed_pairs(tokens: "keras.KerasTensor", count: int) -> "keras.KerasTensor":
    """Return a number from 1 to `count` for each token and the next: (batch, steps) to int32 (batch, steps).

    It is 0, like padding, at the end of a text and where one of the two is unknown.
    """
    from keras import ops

    first = ops.cast(tokens, "int64")
    second = ops.pad(first, ((0, 0), (0, 1)))[:, 1:]
    number = 1 + ops.mod(first * _FACTORS[0] + second * _FACTORS[1], count)
    return ops.cast(ops.where(ops.logical_and(first > UNKNOWN, second > UNKNOWN), number, 0), "int32")


def token_mask(tokens: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return 1 for a token and 0 for padding: (batch, steps) to float32 (batch, steps, 1)."""
    from keras import ops

    return ops.expand_dims(ops.cast(ops.not_equal(tokens, 0), "float32"), -1)


def pooled(
    features: "keras.KerasTensor", tokens: "keras.KerasTensor", how: Literal["average", "max"]
) -> "keras.KerasTensor":
    """Return each feature's mean or maximum over a text's tokens, without padding; zeros for a text without tokens.

    Features are (batch, steps, features), and tokens (batch, steps) with 0 for padding on either side.
    """
    from keras import ops

    mask = token_mask(tokens)
    count = ops.sum(mask, axis=1)  # (batch, 1)
    if how == "average":
        return ops.sum(features * mask, axis=1) / ops.maximum(count, 1.0)
    return ops.max(features * mask - _LARGE * (1.0 - mask), axis=1) * ops.minimum(count, 1.0)


def head(features: "keras.KerasTensor", units: Sequence[int], dropout: float, outputs: int) -> "keras.KerasTensor":
    """Return logits, (batch, outputs), of features (batch, features); `units` are those of the hidden layers."""
    from keras import layers

    features = layers.Dropout(dropout)(features)
    for width in units:
        features = layers.Dense(width, activation="relu")(features)
    return layers.Dense(outputs)(features)

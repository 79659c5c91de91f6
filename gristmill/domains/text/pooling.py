"""What a network keeps of a sequence of features: a row of numbers a text, to which padding adds nothing.

Keras' own pooling layers either count padding (max) or give NaN for a text without tokens (average under a mask).
"""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

Pooling = Literal["average", "max"]

_BELOW = 1e9  # taken from the features of padding, so that none of them is the largest


def real(tokens: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return 1 where a token stands and 0 where padding does: (batch, steps) to float32 (batch, steps, 1)."""
    from keras import ops

    return ops.expand_dims(ops.cast(ops.not_equal(tokens, 0), "float32"), -1)


def pooled(features: "keras.KerasTensor", tokens: "keras.KerasTensor", how: Pooling) -> "keras.KerasTensor":
    """Return each feature's mean or maximum over a text's own tokens; zeros for a text without any.

    Args:
        features: (batch, steps, features).
        tokens: (batch, steps), 0 for padding on either side.
        how: which of the two.
    """
    from keras import ops

    kept = real(tokens)
    count = ops.sum(kept, axis=1)  # (batch, 1)
    if how == "average":
        return ops.sum(features * kept, axis=1) / ops.maximum(count, 1.0)
    return ops.max(features * kept - _BELOW * (1.0 - kept), axis=1) * ops.minimum(count, 1.0)

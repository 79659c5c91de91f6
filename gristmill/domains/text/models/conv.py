"""Convolutions over the tokens of a text, pooled: each filter detects a phrase anywhere in the text."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gristmill.domains.text.models import Shape
from gristmill.settings.base import KernelSize, Settings, Size, Sizes

if TYPE_CHECKING:
    import keras


class Conv(Settings):
    """Convolutions between an embedding and dense layers.

    Source: Kim, "Convolutional neural networks for sentence classification", EMNLP 2014.
    """

    kind: Literal["conv"]
    dimensions: Size = 64  # dimensions of the embedding; with `preprocess.vectors`, theirs
    freeze_vectors: bool = False  # keep the vectors of `preprocess.vectors` as they are
    filters: Annotated[Sizes, Field(min_length=1)] = (128,)  # filters of each convolution, with ReLU
    kernel: KernelSize = 5  # tokens that a filter spans
    pooling: Literal["average", "max"] = "max"  # how each filter is pooled over the text
    units: Sizes = (64,)  # units of each dense layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after the embedding and before the dense layers

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes texts of any length and treats padding as the outside of a text."""
        import keras
        from keras import layers

        from gristmill.domains.text.layers import embedded, head, pooled, token_mask

        tokens = keras.Input((None,), dtype="int32", name="tokens")
        mask = token_mask(tokens)
        features = embedded(tokens, shape, self.dimensions, self.freeze_vectors)
        features = layers.Dropout(self.dropout)(features)
        for width in self.filters:  # "same" adds zeros at both ends, so the features of padding must be zero too
            features = layers.Conv1D(width, self.kernel, padding="same", activation="relu")(features * mask)
        features = pooled(features, tokens, self.pooling)
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name="conv")

"""Convolutions over the tokens of a text, pooled: each filter looks for a phrase, wherever it stands."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from gristmill.domains.text.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Conv(Settings):
    """Convolutions between an embedding and dense layers.

    Source: Kim, "Convolutional neural networks for sentence classification", EMNLP 2014.
    """

    kind: Literal["conv"]
    dimensions: PositiveInt = 64  # numbers that stand for a token
    filters: Annotated[Sizes, Field(min_length=1)] = (128,)  # of each convolution, relu
    kernel: PositiveInt = 5  # tokens a filter spans
    pooling: Literal["average", "max"] = "max"  # of each filter over the text
    units: Sizes = (64,)  # of each dense layer, relu; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the embedding, and before the head, left out

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes texts of any length; padding is to it what lies beyond a text."""
        import keras
        from keras import layers

        from gristmill.domains.text.head import head
        from gristmill.domains.text.pooling import pooled, real

        tokens = keras.Input((None,), dtype="int32", name="tokens")
        kept = real(tokens)
        features = layers.Embedding(shape.vocabulary, self.dimensions)(tokens)
        features = layers.Dropout(self.dropout)(features)
        for width in self.filters:  # "same" puts zeros beyond both ends, so zeros must stand in all of the padding
            features = layers.Conv1D(width, self.kernel, padding="same", activation="relu")(features * kept)
        features = pooled(features, tokens, self.pooling)
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name="conv")

"""A vector a token, pooled over the text: the course's first classifiers of reviews and headlines."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from gristmill.domains.text.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Embedding(Settings):
    """An embedding, what is kept of it, and dense layers."""

    kind: Literal["embedding"]
    dimensions: PositiveInt = 16  # numbers that stand for a token
    pooling: Literal["flatten", "average", "max"] = "average"  # every place counts, or means or maxima over the text
    units: Sizes = (24,)  # of each dense layer, relu; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the embedding, and before the head, left out

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network; flattened, it takes texts of `shape.length` alone, and padding counts like a token."""
        import keras
        from keras import layers

        from gristmill.domains.text.head import head
        from gristmill.domains.text.pooling import pooled

        flat = self.pooling == "flatten"
        tokens = keras.Input((shape.length if flat else None,), dtype="int32", name="tokens")
        features = layers.Embedding(shape.vocabulary, self.dimensions)(tokens)
        features = layers.Dropout(self.dropout)(features)
        features = layers.Flatten()(features) if self.pooling == "flatten" else pooled(features, tokens, self.pooling)
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name="embedding")

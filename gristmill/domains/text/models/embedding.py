"""Embedding of the tokens, and of neighbouring pairs of them, pooled over the text."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from gristmill.domains.text.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Embedding(Settings):
    """An embedding, pooling and dense layers.

    Source for pairs: Joulin et al., "Bag of tricks for efficient text classification", EACL 2017.
    """

    kind: Literal["embedding"]
    dimensions: PositiveInt = 16  # dimensions of the embedding; with `preprocess.vectors`, theirs
    freeze_vectors: bool = False  # keep the vectors of `preprocess.vectors` as they are
    pooling: Literal["flatten", "average", "max"] = "average"  # keep every position, or pool over the text
    pairs: NonNegativeInt = 0  # vectors that pairs of neighbouring tokens share by a hash; 0 to ignore pairs
    units: Sizes = (24,)  # units of each dense layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after the embedding and before the dense layers

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network; with "flatten" it takes only texts of `shape.length`, and padding counts as a token."""
        import keras
        from keras import layers, ops

        from gristmill.domains.text.layers import embedded, hashed_pairs, head, pooled

        flat = self.pooling == "flatten"
        tokens = keras.Input((shape.length if flat else None,), dtype="int32", name="tokens")
        features = embedded(tokens, shape, self.dimensions, self.freeze_vectors)
        seen = tokens
        if self.pairs:
            hashed = hashed_pairs(tokens, self.pairs)
            of_pairs = layers.Embedding(self.pairs + 1, features.shape[-1])(hashed)
            features, seen = ops.concatenate([features, of_pairs], 1), ops.concatenate([tokens, hashed], 1)
        features = layers.Dropout(self.dropout)(features)
        features = layers.Flatten()(features) if self.pooling == "flatten" else pooled(features, seen, self.pooling)
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name="embedding")

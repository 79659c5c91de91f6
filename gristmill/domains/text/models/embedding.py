"""Embedding of the tokens, and of neighbouring pairs of them, pooled over the text."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gristmill.domains.text.models import Shape
from gristmill.settings.base import Settings, Size, Sizes

if TYPE_CHECKING:
    import keras


class Embedding(Settings):
    """An embedding, pooling and dense layers.

    Source for pairs: Joulin et al., "Bag of tricks for efficient text classification", EACL 2017.
    """

    kind: Literal["embedding"]
    dimensions: Size = 16  # dimensions of the embedding; with `preprocess.vectors`, those of pairs alone
    freeze_vectors: bool = False  # keep the vectors of `preprocess.vectors` as they are
    pooling: Literal["flatten", "average", "max"] = "average"  # keep every position, or pool over the text
    pairs: Annotated[int, Field(ge=0, le=10_000_000)] = 0  # hashed vectors for pairs of neighbouring tokens; 0 for none
    units: Sizes = (24,)  # units of each dense layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after the embedding and before the dense layers

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network; with "flatten" it takes only texts of `shape.length`, and padding counts as a token."""
        import keras
        from keras import layers, ops

        from gristmill.domains.text.layers import embedded, hashed_pairs, head, pooled

        tokens = keras.Input((shape.length if self.pooling == "flatten" else None,), dtype="int32", name="tokens")
        parts: list[Any] = [(embedded(tokens, shape, self.dimensions, self.freeze_vectors), tokens)]
        if self.pairs:
            hashed = hashed_pairs(tokens, self.pairs)
            parts.append((layers.Embedding(self.pairs + 1, self.dimensions)(hashed), hashed))
            if parts[0][0].shape[-1] == self.dimensions:  # not so of pretrained vectors with other dimensions
                parts = [tuple(ops.concatenate(both, 1) for both in zip(*parts, strict=True))]
        texts = []
        for features, ids in parts:
            features = layers.Dropout(self.dropout)(features)
            texts.append(
                layers.Flatten()(features) if self.pooling == "flatten" else pooled(features, ids, self.pooling)
            )
        features = ops.concatenate(texts, 1) if len(texts) > 1 else texts[0]
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name="embedding")

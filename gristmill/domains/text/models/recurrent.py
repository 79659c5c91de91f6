"""Recurrent networks on the tokens of a text."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gristmill.domains.text.models import Shape
from gristmill.settings.base import Settings, Size, Sizes

if TYPE_CHECKING:
    import keras


class Recurrent(Settings):
    """Stacked recurrent layers between an embedding and dense layers."""

    kind: str
    dimensions: Size = 64  # dimensions of the embedding; with `preprocess.vectors`, theirs
    freeze_vectors: bool = False  # keep the vectors of `preprocess.vectors` as they are
    recurrent: Annotated[Sizes, Field(min_length=1)] = (64,)  # units of each recurrent layer, in each direction
    bidirectional: bool = True  # read each text in both directions (Schuster & Paliwal, 1997); doubles the features
    pooling: Literal["last", "average", "max"] = "last"  # final state of the last layer, or pool its steps
    units: Sizes = (64,)  # units of each dense layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after the embedding and before the dense layers

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes texts of any length and ignores padding on either side."""
        import keras
        from keras import layers

        from gristmill.domains.text.layers import embedded, head, pooled

        cell: Any = {"gru": layers.GRU, "lstm": layers.LSTM}[self.kind]
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        features = embedded(tokens, shape, self.dimensions, self.freeze_vectors, mask_zero=True)
        features = layers.Dropout(self.dropout)(features)
        for number, width in enumerate(self.recurrent, 1):
            layer = cell(width, return_sequences=number < len(self.recurrent) or self.pooling != "last")
            features = (layers.Bidirectional(layer) if self.bidirectional else layer)(features)
        if self.pooling != "last":
            features = pooled(features, tokens, self.pooling)
        return keras.Model(tokens, head(features, self.units, self.dropout, shape.outputs), name=self.kind)


class Gru(Recurrent):
    """Recurrent layers with two gates and no cell state (Cho et al., arXiv 1406.1078, 2014)."""

    kind: Literal["gru"]


class Lstm(Recurrent):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]

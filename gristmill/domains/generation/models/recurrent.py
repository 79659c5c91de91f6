"""Recurrent networks that predict the next token."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gristmill.domains.generation.models import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import Settings, Size, Sizes

if TYPE_CHECKING:
    import keras


class Recurrent(Settings):
    """Stacked recurrent layers on an embedding of the tokens."""

    kind: str
    dimensions: Size = 64  # dimensions of the embedding
    recurrent: Annotated[Sizes, Field(min_length=1)] = (256,)  # units of each layer
    bidirectional: bool = False  # read each line in both directions; only with examples = "prefixes"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after each recurrent layer

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes sequences of any length: tokens, int32 (batch, length), to logits.

        A network that predicts after each token needs no mask: padding comes after the text, where it cannot change
        earlier predictions. One that predicts after the last token alone masks padding.

        Raises:
            RequestError: a network of windows would read in both directions.
        """
        from keras import Input, Model, layers

        if self.bidirectional and shape.after_each:
            raise RequestError(
                'with preprocess.examples = "windows", model.bidirectional would read the tokens that the network '
                'must predict. Set it to false, or examples = "prefixes".'
            )
        cell: Any = {"gru": layers.GRU, "lstm": layers.LSTM}[self.kind]
        tokens = Input((None,), dtype="int32", name="tokens")
        features = layers.Embedding(shape.vocabulary, self.dimensions, mask_zero=not shape.after_each)(tokens)
        for number, width in enumerate(self.recurrent, 1):
            layer = cell(width, return_sequences=shape.after_each or number < len(self.recurrent))
            features = layers.Bidirectional(layer)(features) if self.bidirectional else layer(features)
            features = layers.Dropout(self.dropout)(features)
        return Model(tokens, layers.Dense(shape.vocabulary, name="logits")(features), name=self.kind)


class Gru(Recurrent):
    """Recurrent layers with two gates and no cell state (Cho et al., EMNLP 2014)."""

    kind: Literal["gru"]


class Lstm(Recurrent):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]

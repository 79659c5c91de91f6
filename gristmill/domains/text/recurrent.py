"""What the recurrent classifiers of texts share: their settings but for the kind, and their network."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveInt

from gristmill.domains.text.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Recurrent(Settings):
    """Recurrent layers, one on the other, between an embedding and dense layers."""

    dimensions: PositiveInt = 64  # numbers that stand for a token
    recurrent: Annotated[Sizes, Field(min_length=1)] = (64,)  # units of each recurrent layer, in each direction
    bidirectional: bool = True  # read each text from both ends, which doubles the features (Schuster & Paliwal, 1997)
    pooling: Literal["last", "average", "max"] = "last"  # what is kept of the last layer: its state at the end, or all
    units: Sizes = (64,)  # of each dense layer, relu; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the embedding, and before the head, left out


def build(cell: type[Any], settings: Recurrent, shape: Shape, name: str) -> "keras.Model":
    """Return the network, which takes texts of any length and passes over padding on either side of them.

    Args:
        cell: `layers.LSTM` or its like.
        settings: of the model.
        shape: what it takes and gives.
        name: of the network.
    """
    import keras
    from keras import layers

    from gristmill.domains.text.head import head
    from gristmill.domains.text.pooling import pooled

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    features = layers.Embedding(shape.vocabulary, settings.dimensions, mask_zero=True)(tokens)
    features = layers.Dropout(settings.dropout)(features)
    for layer, width in enumerate(settings.recurrent, 1):
        sequences = layer < len(settings.recurrent) or settings.pooling != "last"
        made = cell(width, return_sequences=sequences)
        features = (layers.Bidirectional(made) if settings.bidirectional else made)(features)
    if settings.pooling != "last":
        features = pooled(features, tokens, settings.pooling)
    logits = head(features, settings.units, settings.dropout, shape.outputs)
    return keras.Model(tokens, logits, name=name)

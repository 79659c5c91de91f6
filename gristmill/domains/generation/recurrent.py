"""Recurrent networks that tell the next token, shared by the models of every cell."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PositiveInt

from gristmill.domains.generation.model_shape import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Recurrent(Settings):
    """Recurrent layers on an embedding of the tokens, one on the other."""

    dimensions: PositiveInt = 64  # of the embedding: numbers that stand for a token
    recurrent: Annotated[Sizes, Field(min_length=1)] = (256,)  # units of each layer
    bidirectional: bool = False  # read from both ends; with examples = "prefixes" alone
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share left out after each recurrent layer, in training


def stacked(settings: Recurrent, cell: type[Any], shape: Shape, name: str) -> "keras.Model":
    """Return the network, which takes sequences of any length: tokens, int32 (batch, length), to logits.

    Where it tells a token after each, no mask is laid over padding: padding comes after the text, and what comes after
    cannot change what was told before it. Where it tells the last one alone, padding is passed over wherever it is.

    Args:
        settings: of the layers.
        cell: `layers.GRU` or its like.
        shape: what the network takes and gives.
        name: of the network.

    Raises:
        RequestError: a network of windows would read from both ends.
    """
    from keras import Input, Model, layers

    if settings.bidirectional and shape.after_each:
        raise RequestError(
            'model.bidirectional reads the very tokens that are to be told with preprocess.examples = "windows". '
            'Set it to false, or examples = "prefixes".'
        )
    tokens = Input((None,), dtype="int32", name="tokens")
    features = layers.Embedding(shape.vocabulary, settings.dimensions, mask_zero=not shape.after_each)(tokens)
    for at, width in enumerate(settings.recurrent, 1):
        layer = cell(width, return_sequences=shape.after_each or at < len(settings.recurrent))
        features = layers.Bidirectional(layer)(features) if settings.bidirectional else layer(features)
        features = layers.Dropout(settings.dropout)(features)
    return Model(tokens, layers.Dense(shape.vocabulary, name="logits")(features), name=name)

"""Long short-term memory."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.recurrent import Recurrent, stacked

if TYPE_CHECKING:
    import keras


class Lstm(Recurrent):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network from tokens to logits of the next one."""
        from keras import layers

        return stacked(self, layers.LSTM, shape, "lstm")

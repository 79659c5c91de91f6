"""Long short-term memory on the tokens of a text."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.text.model_shape import Shape
from gristmill.domains.text.recurrent import Recurrent, build

if TYPE_CHECKING:
    import keras


class Lstm(Recurrent):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the tokens of a text."""
        import keras

        return build(keras.layers.LSTM, self, shape, "lstm")

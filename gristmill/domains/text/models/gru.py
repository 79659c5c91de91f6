"""Gated recurrent units on the tokens of a text."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.text.model_shape import Shape
from gristmill.domains.text.recurrent import Recurrent, build

if TYPE_CHECKING:
    import keras


class Gru(Recurrent):
    """Recurrent layers with two gates and no cell state (Cho et al., arXiv 1406.1078, 2014)."""

    kind: Literal["gru"]

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the tokens of a text."""
        import keras

        return build(keras.layers.GRU, self, shape, "gru")

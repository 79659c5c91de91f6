"""Gated recurrent units."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.recurrent import Recurrent, stacked

if TYPE_CHECKING:
    import keras


class Gru(Recurrent):
    """Recurrent layers with gates and no state beside their output (Cho et al., EMNLP 2014)."""

    kind: Literal["gru"]

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network from tokens to logits of the next one."""
        from keras import layers

        return stacked(self, layers.GRU, shape, "gru")

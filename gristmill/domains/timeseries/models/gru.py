"""Gated recurrent units."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Gru(Settings):
    """Recurrent layers with two gates and no cell state (Cho et al., EMNLP 2014)."""

    kind: Literal["gru"]
    units: Sizes = (32,)  # of each layer, one on the other

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        import keras

        from gristmill.domains.timeseries.recurrent import stack

        return keras.Sequential(
            [
                keras.Input((None, shape.columns)),
                *stack(keras.layers.GRU, self.units, shape.sequence),
                keras.layers.Dense(shape.outputs),
            ],
            name="gru",
        )

"""Long short-term memory."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Lstm(Settings):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]
    units: Sizes = (32,)  # of each layer, one on the other

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        import keras

        from gristmill.domains.timeseries.recurrent import stack

        return keras.Sequential(
            [
                keras.Input((None, shape.columns)),
                *stack(keras.layers.LSTM, self.units, shape.sequence),
                keras.layers.Dense(shape.outputs),
            ],
            name="lstm",
        )

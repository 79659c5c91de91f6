"""A causal convolution, stacked LSTMs and dense layers: the course's week-4 network."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class ConvLstm(Settings):
    """Features of a few neighbouring values, remembered over the history."""

    kind: Literal["conv_lstm"]
    filters: PositiveInt = 60  # of the convolution
    kernel: PositiveInt = 5  # observations a filter spans
    units: Sizes = (60, 60)  # of each LSTM; the last gives its final state
    dense: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = (30, 10)  # of each dense layer after them, relu

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        import keras
        from keras import layers

        from gristmill.domains.timeseries.recurrent import stack

        return keras.Sequential(
            [
                keras.Input((None, shape.columns)),
                layers.Conv1D(self.filters, self.kernel, padding="causal", activation="relu"),
                *stack(layers.LSTM, self.units, shape.sequence),
                *[layers.Dense(width, activation="relu") for width in self.dense],
                layers.Dense(shape.outputs),
            ],
            name="conv_lstm",
        )

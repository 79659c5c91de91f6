"""A causal convolution, stacked LSTMs and dense layers: the course's week-4 network."""

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from gristmill.settings import Settings, Sizes

if TYPE_CHECKING:
    import keras


class ConvLstm(Settings):
    """Features of a few neighbouring values, remembered over the history."""

    kind: Literal["conv_lstm"]
    filters: PositiveInt = 60
    kernel: PositiveInt = 5  # observations a filter spans
    units: Sizes = (60, 60)  # of each LSTM; the last gives its final state
    dense: Sizes = (30, 10)  # width of each dense layer after them, relu

    def build(self, history: int, horizon: int) -> "keras.Model":
        """Return the network: (batch, history) to (batch, horizon)."""
        import keras
        from keras import layers

        recurrent = [
            layers.LSTM(width, return_sequences=index < len(self.units)) for index, width in enumerate(self.units, 1)
        ]
        return keras.Sequential(
            [
                keras.Input((history,)),
                layers.Reshape((history, 1)),
                layers.Conv1D(
                    self.filters, self.kernel, padding="causal", activation="relu"
                ),  # (batch, history, filters)
                *recurrent,  # (batch, units)
                *[layers.Dense(width, activation="relu") for width in self.dense],
                layers.Dense(horizon),
            ],
            name="conv_lstm",
        )

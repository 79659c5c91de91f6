"""The shape of a forecasting network, which a model is built to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What a network takes, (batch, history, channels + known), and gives, (batch, outputs).

    Known columns are read a horizon ahead: beside the values of step t stands what is known of step t + horizon. So
    the last `horizon` steps of a window hold what is known of all the steps it forecasts.
    """

    history: int  # steps of a window
    horizon: int  # steps of a forecast
    channels: int  # columns of values: targets first, then inputs
    known: int  # columns known ahead, after the channels
    outputs: int  # numbers in a forecast: horizon x targets, x quantiles where they are learned
    sequence: bool = False  # give a forecast after each step: (batch, history, outputs)

    @property
    def columns(self) -> int:
        """All columns of a step."""
        return self.channels + self.known

    def lags(self, window: Any) -> Any:
        """Return one row of features a window, for models that know no sequence.

        Args:
            window: (batch, history, channels + known).

        Returns:
            (batch, history * channels + horizon * known): every value, and what is known of the steps to forecast.
        """
        from keras import ops

        rows = [ops.reshape(window[:, :, : self.channels], (-1, self.history * self.channels))]
        if self.known:
            rows.append(ops.reshape(window[:, -self.horizon :, self.channels :], (-1, self.horizon * self.known)))
        return ops.concatenate(rows, axis=-1)

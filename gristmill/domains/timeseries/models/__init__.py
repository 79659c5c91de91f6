"""Forecasting models.

A model is a settings class with a field `kind`, of one of two sorts:

- A network has a method `build(shape)`. It returns an uncompiled Keras model from standardised windows `(batch,
  history, columns)` to `(batch, outputs)`, or to `(batch, history, outputs)` if `shape.sequence`. A
  history of None accepts windows of any length. `train` trains it.
- A kind in closed form has a method `fit(data)`. It returns a Keras model from windows in raw units to forecasts in
  raw units, fitted on the training set of `data`.

Either may see another history than that of the pipeline, or other windows (`view.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gristmill.domains.timeseries.data.dataset import Layout


@dataclass(frozen=True)
class Shape:
    """Shape of the input, (batch, history, channels + known), and of the output, (batch, outputs).

    Known columns are read a horizon ahead: step t has the values of t and the known columns of t + horizon. So the last
    `horizon` steps of a window have the known columns of all steps to forecast.
    """

    history: int  # steps of a window
    horizon: int  # steps of a forecast
    channels: int  # columns of values: targets first, then inputs
    known: int  # known columns, after the channels
    outputs: int  # numbers in a forecast: horizon x targets (x quantiles)
    sequence: bool = False  # whether to forecast after each step, (batch, history, outputs)

    @classmethod
    def of(cls, layout: "Layout", levels: int = 1, sequence: bool = False) -> "Shape":
        """Return the shape for prepared series; a forecast has `levels` values for each target."""
        outputs = layout.horizon * len(layout.targets) * levels
        return cls(layout.history, layout.horizon, layout.channels, len(layout.known), outputs, sequence)

    @property
    def columns(self) -> int:
        """Number of columns of a step."""
        return self.channels + self.known

    def lags(self, window: Any) -> Any:
        """Return one row of features per window for models that are not sequential.

        The row has every value, and the known columns of the steps to forecast:
        (batch, history, channels + known) to (batch, history * channels + horizon * known).
        """
        from keras import ops

        values = ops.reshape(window[:, :, : self.channels], (-1, self.history * self.channels))
        return self.with_known([values], window)

    def with_known(self, features: list[Any], window: Any) -> Any:
        """Return one row per window of some features, (batch, …) each, and the known columns of the horizon."""
        from keras import ops

        if self.known:
            known = window[:, -self.horizon :, self.channels :]
            features = [*features, ops.reshape(known, (-1, self.horizon * self.known))]
        return ops.concatenate(features, axis=-1)


def lags_and_means(values: Any, lags: int, lengths: Iterable[int]) -> list[Any]:
    """Return the last values of each channel, and the means over these lengths, (batch, features) each."""
    from keras import ops

    newest = ops.reshape(values[:, -lags:], (-1, lags * values.shape[2]))
    return [newest, *(ops.mean(values[:, -length:], axis=1) for length in lengths)]

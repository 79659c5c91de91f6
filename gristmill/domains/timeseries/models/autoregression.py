"""Autoregression on first differences."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import PositiveInt, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class Autoregression(Settings):
    """Forecast first differences by least squares on their last values and a constant, step by step.

    Sources: Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 2021, 9.3; Akaike, "A new look
    at the statistical model identification", IEEE Transactions on Automatic Control 19(6), 1974 (order).
    """

    kind: Literal["autoregression"]
    order: PositiveInt | None = None  # lags; chosen by AIC, up to 10 log10(observations), if not set
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if all series are too short for the order."""
        from gristmill.domains.timeseries.fits.autoregression import autoregressive_forecaster

        return autoregressive_forecaster(data, self.order)

"""Ridge regression on the lags: `linear` with a given penalty, `ridge` with a chosen one.

Source: Hoerl & Kennard, "Ridge Regression", Technometrics 12(1), 1970. That old values have a larger penalty is from
the prior of Litterman, "Forecasting with Bayesian Vector Autoregressions", Journal of Business & Economic Statistics
4(1), 1986.
"""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.data.view import NetworkSettings, ViewSettings, with_seasonal_history
from gristmill.settings.base import NonNegativeFloat

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class Linear(NetworkSettings):
    """A linear map from history to horizon, fitted in closed form without epochs or learning rate."""

    kind: Literal["linear"]
    l2: NonNegativeFloat = 1.0  # penalty on the sum of squared weights; the bias has none

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the forecaster fitted on the training windows."""
        from gristmill.domains.timeseries.fits import ridge

        return ridge.fit(data, self.l2)


class Ridge(ViewSettings):
    """A linear map from history to horizon whose penalty is chosen by cross-validation.

    If `normalise` is not set, it is the mean of maps with different ones; if `history` is not set, it is at least a
    season.
    """

    kind: Literal["ridge"]
    decay: NonNegativeFloat = 1.0  # the penalty grows with the age of a value to the power of twice this number

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the forecaster fitted on the training windows."""
        from gristmill.domains.timeseries.fits import ridge

        return ridge.choose(with_seasonal_history(data, self.history), self.decay, self.normalise)

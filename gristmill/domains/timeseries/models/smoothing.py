"""Exponential smoothing and the theta method: an average of many models, without anything to train."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import PositiveInt, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class Ets(Settings):
    """Exponential smoothing with and without trend, damping, season and logs, each weighted by its likelihood."""

    kind: Literal["ets"]
    season: PositiveInt | None = None  # observations in a season; preprocess.season if not set
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if no series has two observations."""
        from gristmill.domains.timeseries.fits.smoothing import ets_forecaster

        return ets_forecaster(data, self.season or data.layout.season or 1)


class Theta(Settings):
    """Exponential smoothing around shares of a line, with and without season and logs, each weighted by likelihood.

    Sources: Assimakopoulos & Nikolopoulos, "The theta model", International Journal of Forecasting 16(4), 2000;
    Fiorucci et al., "Models for optimising the theta method and their relationship to state space models", ibid. 32(4),
    2016.
    """

    kind: Literal["theta"]
    season: PositiveInt | None = None  # observations in a season; preprocess.season if not set

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if no series has two observations."""
        from gristmill.domains.timeseries.fits.smoothing import theta_forecaster

        return theta_forecaster(data, self.season or data.layout.season or 1)

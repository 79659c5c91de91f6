"""Classical methods: autoregression, exponential smoothing, the theta method, and TSB for demand with many zeros."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import PositiveInt, Settings, Share

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


class Ets(Settings):
    """Exponential smoothing with and without trend, damping, season and logs, each weighted by its likelihood."""

    kind: Literal["ets"]
    season: PositiveInt | None = None  # observations in a season; preprocess.season if not set
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if no series has two observations."""
        from gristmill.domains.timeseries.fits import smoothing

        season = self.season or data.layout.season or 1
        has_season = season <= smoothing.MAX_SEASON
        return smoothing.smoothing_forecaster(data, season, smoothing.ets_members, has_season)


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
        from gristmill.domains.timeseries.fits import smoothing

        season = self.season or data.layout.season or 1
        return smoothing.smoothing_forecaster(data, season, smoothing.theta_members, has_season=False)


class Tsb(Settings):
    """The smoothed probability of demand times its smoothed size.

    Unlike Croston's method, it forecasts less and less where demand has ended. Source: Teunter, Syntetos & Babai,
    "Intermittent demand: Linking forecasting to inventory obsolescence", European Journal of Operational Research
    214(3), 2011.
    """

    kind: Literal["tsb"]
    probability: Share | None = None  # weight of the newest observation in the probability; chosen if not set
    size: Share | None = None  # weight of the newest demand in its size; chosen if not set

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network."""
        from gristmill.domains.timeseries.fits.tsb import tsb_forecaster

        return tsb_forecaster(data, self.probability, self.size)

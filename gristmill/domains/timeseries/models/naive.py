"""Naive forecasts: fixed linear maps of the last values, without anything to fit.

Source, where none is named: Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 2021, 5.2.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import PositiveInt, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class Naive(Settings):
    """The last value."""

    kind: Literal["naive"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network."""
        from gristmill.domains.timeseries.fits import window_graph as graph

        return graph.linear_forecaster(data, graph.moving_average(1, data.layout.horizon))


class SeasonalNaive(Settings):
    """The last season, repeated."""

    kind: Literal["seasonal_naive"]
    season: PositiveInt | None = None  # observations in a season; preprocess.season if not set
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if there is no season or no series as long."""
        from gristmill.domains.timeseries.fits import window_graph as graph

        season = graph.season_of(data, self.season)
        graph.check_past(data, season)
        return graph.linear_forecaster(data, graph.seasonal_naive(season, data.layout.horizon), season)


class Drift(Settings):
    """The straight line through the first and the last value of the window."""

    kind: Literal["drift"]
    length: PositiveInt | None = None  # observations in the window; the longest training set, up to 500, if not set
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if no series has two observations."""
        from gristmill.domains.timeseries.fits import window_graph as graph

        return graph.drift_forecaster(data, self.length)


class MovingAverage(Settings):
    """The mean of the last values."""

    kind: Literal["moving_average"]
    length: PositiveInt = 3  # observations to average
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if all series are shorter than the average."""
        from gristmill.domains.timeseries.fits import window_graph as graph

        graph.check_past(data, self.length)
        return graph.linear_forecaster(data, graph.moving_average(self.length, data.layout.horizon))


class Differencing(Settings):
    """The value of a season ago plus a mean of the last differences between seasons.

    Source: the course "Sequences, Time Series and Prediction" (DeepLearning.AI, 2019), week 1.
    """

    kind: Literal["differencing"]
    season: PositiveInt | None = None  # observations in a season; preprocess.season if not set
    length: PositiveInt | None = None  # differences to average; a season of them if not set
    smooth: PositiveInt = 1  # observations in a centred mean that replaces the value of a season ago

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network; `Unsuitable` is raised if there is no season or no series is long enough."""
        from gristmill.domains.timeseries.fits import window_graph as graph

        season = graph.season_of(data, self.season)
        length = self.length or season
        graph.check_past(data, season + max(length, self.smooth // 2))
        kernel = graph.differencing(season, length, self.smooth, data.layout.horizon)
        return graph.linear_forecaster(data, kernel, season)

"""Simple forecasts, the yardsticks of every model.

Each takes the series, the origins to forecast from and the horizon, and returns (windows, horizon). A forecast from
an origin uses only values before it. What has to be fitted is fitted on `series[:fitted]`: everything before the
part that is scored.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gristmill.timeseries.settings import Evaluate
from gristmill.timeseries.windows import Origins, history_index

Series = npt.NDArray[np.float64]
Forecast = npt.NDArray[np.float64]  # (windows, horizon)
Baseline = Callable[[Series, Origins, int], Forecast]


def baselines(settings: Evaluate, fitted: int) -> dict[str, Baseline]:
    """Return the baselines by name; those that need more past than `fitted` are left out."""
    length, season, order = settings.moving_average, settings.season, settings.ar_order
    chosen: dict[str, Baseline] = {"naive": naive}
    if length <= fitted:
        chosen[f"moving average {length}"] = lambda series, starts, horizon: moving_average(
            series, starts, horizon, length
        )
    if season is not None and season <= fitted:
        chosen[f"seasonal naive {season}"] = lambda series, starts, horizon: seasonal_naive(
            series, starts, horizon, season
        )
    if fitted > 2 * (order or 1) + 2:
        chosen["autoregression"] = lambda series, starts, horizon: autoregression(
            series, starts, horizon, fitted, order
        )
    return chosen


def naive(series: Series, starts: Origins, horizon: int) -> Forecast:
    """Repeat the last value."""
    return np.repeat(series[starts - 1, np.newaxis], horizon, axis=1)


def moving_average(series: Series, starts: Origins, horizon: int, length: int) -> Forecast:
    """Repeat the mean of the last `length` values."""
    return np.repeat(series[history_index(starts, length)].mean(axis=1, keepdims=True), horizon, axis=1)


def seasonal_naive(series: Series, starts: Origins, horizon: int, season: int) -> Forecast:
    """Repeat the last whole season."""
    steps = np.arange(horizon) % season
    forecast: Forecast = series[starts[:, np.newaxis] - season + steps]
    return forecast


def autoregression(series: Series, starts: Origins, horizon: int, fitted: int, order: int | None = None) -> Forecast:
    """Forecast the first differences by least squares on their last `order` values and a constant, step by step.

    Without an order the one with the lowest AIC is taken, up to 10 log10(n) as in Hyndman & Athanasopoulos,
    "Forecasting: Principles and Practice", 3rd ed., 2021.
    """
    if order is None:
        order = _order_by_aic(np.diff(series[:fitted]))
    coefficients, _ = _least_squares(np.diff(series[:fitted]), order)
    steps = np.diff(series)[history_index(starts - 1, order)]  # (windows, order), the newest last
    forecast = np.empty((len(starts), horizon))
    level = series[starts - 1]
    for step in range(horizon):
        ahead = coefficients[0] + steps[:, -order:] @ coefficients[1:]
        steps = np.column_stack([steps, ahead])
        level = level + ahead
        forecast[:, step] = level
    return forecast


def _least_squares(steps: Series, order: int) -> tuple[Series, float]:
    """Return (constant and lag coefficients, oldest lag first) and the residual variance."""
    lags = np.lib.stride_tricks.sliding_window_view(steps[:-1], order)  # (rows, order)
    design = np.column_stack([np.ones(len(lags)), lags])
    solution = np.linalg.lstsq(design, steps[order:])[0].astype(np.float64)
    return solution, float(np.square(steps[order:] - design @ solution).mean())


def _order_by_aic(steps: Series) -> int:
    """Return the order with the lowest AIC, all of them judged on the same values."""
    limit = max(1, min(int(10 * np.log10(len(steps))), len(steps) // 3))
    count = len(steps) - limit

    def aic(order: int) -> float:
        _, variance = _least_squares(steps[limit - order :], order)
        return float(count * np.log(max(variance, 1e-300)) + 2 * order)

    return min(range(1, limit + 1), key=aic)

"""Simple forecasts, the yardsticks of every model.

Each takes the series, the origins to forecast from and the horizon, and returns (windows, horizon). A forecast from
an origin uses only values before it. What has to be fitted is fitted on `series[:fitted]`: everything before the
part that is scored, so the origins lie at `fitted` or after it.

Source, where none is named: Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 2021.
"""

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.settings import Evaluate
from gristmill.domains.timeseries.windows import Origins, history_index

Series = npt.NDArray[np.float64]
Forecast = npt.NDArray[np.float64]  # (windows, horizon)
Baseline = Callable[[Series, Origins, int], Forecast]

SMOOTHED = 10_000  # observations that exponential smoothing is fitted on, the last ones: older ones have no weight left
REGRESSED = 100_000  # that the autoregression is fitted on, the last ones: enough for any order, and cheap


def baselines(settings: Evaluate, fitted: int) -> dict[str, Baseline]:
    """Return the baselines by name; those that need more past than there is are left out.

    Args:
        settings: which ones, and of what season.
        fitted: observations before the part that is scored.
    """
    length, order = settings.moving_average, settings.ar_order
    known: dict[str, tuple[int, Baseline]] = {  # past it needs, and function
        "naive": (1, naive),
        "drift": (2, drift),
        f"moving average {length}": (length, partial(moving_average, length=length)),
        "exponential smoothing": (2, partial(exponential_smoothing, fitted=fitted)),
        **(_seasonal(settings, settings.season) if settings.season else {}),
        "autoregression": (2 * (order or 1) + 3, partial(autoregression, fitted=fitted, order=order)),
    }
    return {name: baseline for name, (past, baseline) in known.items() if past <= fitted}


def _seasonal(settings: Evaluate, season: int) -> dict[str, tuple[int, Baseline]]:
    """Return the baselines of a season, as `baselines` holds them."""
    length, smooth = settings.difference_average, settings.smooth
    chosen: dict[str, tuple[int, Baseline]] = {
        f"seasonal naive {season}": (season, partial(seasonal_naive, season=season))
    }
    if length is not None:
        name, past = f"differencing {season} + average {length}", season + length
        plain = partial(differencing, season=season, length=length)
        chosen[name] = past, plain
        if smooth is not None:
            chosen[f"{name} + smooth {smooth}"] = max(past, season + smooth // 2), partial(plain, smooth=smooth)
    return chosen


def naive(series: Series, starts: Origins, horizon: int) -> Forecast:
    """Repeat the last value."""
    return np.repeat(series[starts - 1, np.newaxis], horizon, axis=1)


def drift(series: Series, starts: Origins, horizon: int) -> Forecast:
    """Go on along the straight line from the first value to the last."""
    slope = (series[starts - 1] - series[0]) / (starts - 1)
    forecast: Forecast = series[starts - 1, np.newaxis] + slope[:, np.newaxis] * np.arange(1, horizon + 1)
    return forecast


def moving_average(series: Series, starts: Origins, horizon: int, length: int) -> Forecast:
    """Repeat the mean of the last `length` values."""
    return np.repeat(_means(series, length)[starts - length, np.newaxis], horizon, axis=1)


def exponential_smoothing(series: Series, starts: Origins, horizon: int, fitted: int) -> Forecast:
    """Repeat the level: a mean of the past in which each value weighs less than the next by a constant factor.

    The factor and the first level are those with the least squared error one step ahead.
    """
    begin = max(0, fitted - SMOOTHED)
    share, level = _fit_smoothing(series[begin:fitted])
    levels = _levels(series[begin:], share, level)
    return np.repeat(levels[starts - 1 - begin, np.newaxis], horizon, axis=1)


def _fit_smoothing(known: Series) -> tuple[float, float]:
    """Return the share of the newest value in the level, and the level before the first value."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):  # the likelihood of no error at all
        warnings.simplefilter("ignore", ConvergenceWarning)  # a flat optimum is as good
        found = SimpleExpSmoothing(known, initialization_method="estimated").fit().params
    return float(found["smoothing_level"]), float(found["initial_level"])


def _levels(series: Series, share: float, level: float) -> Series:
    """Return the level after each value: share · value + (1 - share) · level before."""
    from scipy.signal import lfilter

    levels: Series = lfilter([share], [1, share - 1], series, zi=[(1 - share) * level])[0]
    return levels


def seasonal_naive(series: Series, starts: Origins, horizon: int, season: int) -> Forecast:
    """Repeat the last whole season."""
    steps = np.arange(horizon) % season
    forecast: Forecast = series[starts[:, np.newaxis] - season + steps]
    return forecast


def differencing(series: Series, starts: Origins, horizon: int, season: int, length: int, smooth: int = 1) -> Forecast:
    """Add the mean of the last `length` differences between seasons to the value of a season ago.

    The mean of differences trails: it ends before the origin. The value of a season ago can be smoothed by a *centred*
    mean of `smooth` values, from `smooth // 2` before it on, because what came after it is known as well: one step
    ahead, with a season of 365 and 10 values, the mean of t - 370 … t - 361. Where such a window would reach beyond
    the origin, near the end of a season, it is cut off there. Further ahead than a season the last whole season is
    taken again, with one more mean difference a season.

    Source: the course "Sequences, Time Series and Prediction" (DeepLearning.AI, 2019), week 1.
    """
    growth = _means(series[season:] - series[:-season], length)[starts - season - length]
    forecast = np.empty((len(starts), horizon))
    for step in range(horizon):
        seasons = step // season + 1
        first = step - seasons * season - smooth // 2  # from the origin
        past = _means(series, min(smooth, -first))[starts + first]
        forecast[:, step] = past + seasons * growth
    return forecast


def _means(series: Series, length: int) -> Series:
    """Return the mean of `length` values from each position on."""
    means: Series = np.lib.stride_tricks.sliding_window_view(series, length).mean(axis=1)
    return means


def autoregression(series: Series, starts: Origins, horizon: int, fitted: int, order: int | None = None) -> Forecast:
    """Forecast the first differences by least squares on their last `order` values and a constant, step by step.

    Without an order the one with the lowest AIC is taken, up to 10 log10(n).
    """
    known = np.diff(series[:fitted][-REGRESSED:])
    if order is None:
        order = _order_by_aic(known)
    coefficients = _least_squares(known, order)
    steps = np.diff(series)[history_index(starts - 1, order)]  # (windows, order), the newest last
    forecast = np.empty((len(starts), horizon))
    level = series[starts - 1]
    for step in range(horizon):
        ahead = coefficients[0] + steps[:, -order:] @ coefficients[1:]
        steps = np.column_stack([steps, ahead])
        level = level + ahead
        forecast[:, step] = level
    return forecast


def _design(steps: Series, order: int) -> Series:
    """Return a constant and the last `order` steps before each step that has as many, oldest lag first."""
    lags = np.lib.stride_tricks.sliding_window_view(steps[:-1], order)  # (rows, order)
    return np.column_stack([np.ones(len(lags)), lags])


def _least_squares(steps: Series, order: int) -> Series:
    """Return the coefficients of constant and lags, oldest lag first."""
    return np.linalg.lstsq(_design(steps, order), steps[order:])[0].astype(np.float64)


def _order_by_aic(steps: Series) -> int:
    """Return the order with the lowest AIC, all of them judged on the same values.

    One QR decomposition serves them all: what the columns from the newest lag on leave of the steps lies in the last
    column of R, below as many rows.
    """
    limit = max(1, min(int(10 * np.log10(len(steps))), len(steps) // 3))
    design = _design(steps, limit)
    newest_first = np.column_stack([design[:, 0], design[:, :0:-1], steps[limit:]])
    left = np.square(np.asarray(np.linalg.qr(newest_first, mode="r"))[:, -1])
    variances = np.maximum([left[order + 1 :].sum() / len(design) for order in range(1, limit + 1)], 1e-300)
    criteria = len(design) * np.log(variances) + 2 * np.arange(1, limit + 1)
    return int(criteria.argmin()) + 1

"""What a series is made of: trend, season, remainder; its autocorrelation; whether it is stationary; whether its steps
are noise.

Sources: Cleveland, Cleveland, McRae & Terpenning, "STL: a seasonal-trend decomposition procedure based on LOESS",
Journal of Official Statistics 6(1), 1990; Wang, Smith & Hyndman, "Characteristic-based clustering for time series
data", Data Mining and Knowledge Discovery 13(3), 2006, and Hyndman & Athanasopoulos, "Forecasting: Principles and
Practice", 3rd ed., 2021, 4.3 (strengths); Said & Dickey, Biometrika 71(3), 1984, and Kwiatkowski, Phillips, Schmidt &
Shin, Journal of Econometrics 54, 1992 (unit root, stationarity); Ljung & Box, Biometrika 65(2), 1978 (white noise).
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.seasonality import autocorrelation

Values = npt.NDArray[np.float64]
Notes = dict[str, float | int | None]

LONGEST = 20_000  # observations looked at, the last ones
LEAST = 8  # observations that tests are made on
LAGS = 40  # of the autocorrelation; two seasons where that is more
DOUBT = 0.05  # a p-value below it speaks against its hypothesis
CYCLES = 11  # seasons that shape the one in their middle; the usual choice
TREND_SHARE = 0.2  # of the series in LOESS's window, where there is no season to take it from


@dataclass(frozen=True)
class Patterns:
    """The parts of a series and what tests say about it."""

    begin: int  # position of the first observation looked at
    season: int | None  # in observations; None where there is none or it is not seen twice
    trend: Values  # (observations,), as the next two: they add up to the series
    seasonal: Values
    remainder: Values
    autocorrelation: Values  # at lags 0, 1, …
    bound: float  # of the autocorrelation: 95 % of white noise's stay within ±bound
    strength_of_trend: float  # 0 to 1: what the remainder leaves of the variance of trend and remainder
    strength_of_season: float | None
    unit_root: float | None  # p-value of ADF's hypothesis that the level wanders, without the season
    stationary: float | None  # p-value of KPSS's hypothesis that it does not, within 0.01 and 0.1
    steps_are_noise: float | None  # p-value of Ljung-Box's hypothesis that the first differences are white noise


def find_patterns(values: Values, season: int | None) -> Patterns:
    """Take a series apart.

    The tests for a wandering level see the series without its season. White noise is asked of the first differences,
    not of the remainder: if the steps are noise, nothing can do better than the last value, while a remainder has
    been smoothed and is never white.

    Args:
        values: (observations,), on a regular grid; the last 20,000 are looked at.
        season: in observations, set or found; None where there is none.
    """
    begin = max(0, len(values) - LONGEST)
    values = np.asarray(values, np.float64)[begin:]
    season = season if season is not None and 2 <= season <= len(values) // 2 else None
    trend, seasonal, remainder = decompose(values, season)
    lags = min(len(values) - 1, max(LAGS, 2 * (season or 0)))
    adjusted, steps = _standard(values - seasonal, values), _standard(np.diff(values), values)
    return Patterns(
        begin=begin,
        season=season,
        trend=trend,
        seasonal=seasonal,
        remainder=remainder,
        autocorrelation=autocorrelation(values)[: lags + 1],
        bound=1.96 / math.sqrt(len(values)),
        strength_of_trend=_strength(trend, remainder),
        strength_of_season=_strength(seasonal, remainder) if season else None,
        unit_root=None if adjusted is None else _unit_root(adjusted),
        stationary=None if adjusted is None else _stationary(adjusted),
        steps_are_noise=None if steps is None else _white_noise(steps, season),
    )


def decompose(values: Values, season: int | None) -> tuple[Values, Values, Values]:
    """Return trend, seasonal part and remainder, which add up to the values, of a series of any length.

    With a season that the series holds twice, by STL, the seasonal part a weighted mean over neighbouring seasons;
    without one by LOESS over a fifth of the series, and the seasonal part is 0.
    """
    if season is not None and 2 <= season <= len(values) // 2:
        trend, seasonal = _stl(values, season)
    else:
        trend, seasonal = _smooth(values), np.zeros(len(values))
    return trend, seasonal, values - trend - seasonal


def _stl(values: Values, season: int) -> tuple[Values, Values]:
    from statsmodels.tsa.seasonal import STL

    window = math.ceil(1.5 * season / (1 - 1.5 / CYCLES)) | 1  # odd; the paper's choice
    found = STL(
        values,
        period=season,
        seasonal=CYCLES,
        seasonal_deg=0,
        trend=window,
        trend_jump=math.ceil(window / 10),  # LOESS at every so many points, lines between them: as good, and fast
        low_pass_jump=math.ceil(season / 10),
    ).fit(inner_iter=2)
    return np.asarray(found.trend), np.asarray(found.seasonal)


def _smooth(values: Values) -> Values:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    count = len(values)
    if count < LEAST or (values == values[0]).all():
        return np.full(count, values.mean())
    window = max(TREND_SHARE, LEAST / count)
    smoothed = lowess(values, np.arange(count), frac=window, it=0, delta=0.01 * count, return_sorted=False)
    return np.asarray(smoothed, np.float64)


def _strength(part: Values, remainder: Values) -> float:
    both = float(np.var(part + remainder))
    return max(0.0, 1 - float(np.var(remainder)) / both) if both > 0 else 0.0


def _standard(part: Values, values: Values) -> Values | None:
    """Return a part to mean 0 and deviation 1 for a test; None if it is too short, or all of it is rounding."""
    if len(values) < LEAST or np.ptp(part) <= 1e-9 * max(np.ptp(values), abs(values[0])):
        return None
    standard: Values = (part - part.mean()) / part.std()
    return standard


def _unit_root(values: Values) -> float | None:
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning
    from statsmodels.tsa.stattools import adfuller

    if np.ptp(np.diff(values)) <= 1e-9:  # a straight line: nothing to regress on
        return None
    lags = int(np.cbrt(len(values) - 1))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):  # where the lags explain all
        warnings.simplefilter("ignore", SingularMatrixWarning)
        return _probability(adfuller(values, maxlag=lags, autolag=None, result_object=True).pvalue)


def _stationary(values: Values) -> float | None:
    from statsmodels.tools.sm_exceptions import InterpolationWarning
    from statsmodels.tsa.stattools import kpss

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterpolationWarning)  # its table ends at 0.01 and 0.1; said where it is shown
        return _probability(kpss(values, nlags="auto", result_object=True).pvalue)


def _white_noise(steps: Values, season: int | None) -> float | None:
    from statsmodels.stats.diagnostic import acorr_ljungbox

    lags = max(1, min(2 * season if season else 10, len(steps) // 5))
    return _probability(acorr_ljungbox(steps, lags=[lags])["lb_pvalue"].iloc[0])


def _probability(found: float) -> float | None:
    return float(found) if math.isfinite(found) else None


def notes(patterns: Patterns) -> Notes:
    """Return the numbers of the patterns, without their arrays."""
    return {
        "observations": len(patterns.trend),
        "season": patterns.season,
        "strength_of_trend": patterns.strength_of_trend,
        "strength_of_season": patterns.strength_of_season,
        "deviation_of_remainder": float(patterns.remainder.std()),
        "autocorrelation": float(patterns.autocorrelation[1]) if len(patterns.autocorrelation) > 1 else None,
        "bound": patterns.bound,
        "unit_root": patterns.unit_root,
        "stationary": patterns.stationary,
        "steps_are_noise": patterns.steps_are_noise,
    }


def sentences(found: Mapping[str, float | int | None]) -> list[str]:
    """Return what `notes` say, in words."""
    return [said for said in (_of_strengths(found), _of_neighbours(found), _of_level(found), _of_steps(found)) if said]


def _of_strengths(found: Mapping[str, float | int | None]) -> str:
    trend, season = found["strength_of_trend"] or 0.0, found["strength_of_season"]
    said = f"The trend is {_strong(trend)} (strength {trend:.2f} of 1)"
    if season is None:
        return f"{said}; no season repeats."
    return f"{said}; the season of {found['season']} observations is {_strong(season)} ({season:.2f})."


def _strong(strength: float) -> str:
    return "strong" if strength >= 0.6 else "moderate" if strength >= 0.3 else "weak"


def _of_neighbours(found: Mapping[str, float | int | None]) -> str | None:
    correlation, bound = found["autocorrelation"], found["bound"]
    if correlation is None or bound is None:
        return None
    return f"Neighbouring values correlate by {correlation:.2f}; of white noise it would be within ±{bound:.2f}."


def _of_level(found: Mapping[str, float | int | None]) -> str | None:
    unit_root, stationary = found["unit_root"], found["stationary"]
    if unit_root is None or stationary is None:
        return None
    said = {
        (True, False): "It is stationary: it keeps returning to one level",
        (False, True): "It is not stationary: its level wanders, so look at differences or normalise each window",
        (True, True): "It is stationary only for a while: it returns to a level, but that level drifts or jumps",
        (False, False): "Whether it is stationary cannot be told from so few or so noisy observations",
    }[unit_root < DOUBT, stationary < DOUBT]
    return f"{said} (p-values: {_p(unit_root)} of a unit root by ADF, {_p(stationary, 0.01, 0.1)} of none by KPSS)."


def _of_steps(found: Mapping[str, float | int | None]) -> str | None:
    noise = found["steps_are_noise"]
    if noise is None:
        return None
    if noise < DOUBT:
        return f"Its steps are not white noise (Ljung-Box, p {_p(noise)}): past steps tell something about the next."
    return f"Its steps cannot be told from white noise (Ljung-Box, p {_p(noise)}): the last value will be hard to beat."


def _p(value: float, least: float = 0.001, most: float = 1.0) -> str:
    """Return a p-value in words that claim no more than is known: the tables of some tests end."""
    return f"≤ {least:g}" if value <= least else f"≥ {most:g}" if value >= most else f"{value:.3f}"

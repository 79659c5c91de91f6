"""Decomposition of a series into trend, season and remainder, with tests of its autocorrelation and stationarity.

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
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.patterns.seasonality import autocorrelation
from gristmill.util.table_io import write_document, write_table

Values = npt.NDArray[np.float64]

MAX_OBSERVATIONS = 20_000  # only the last observations are used
MIN_OBSERVATIONS = 8  # required for a test
MIN_LAGS = 40  # lags of the autocorrelation, or two seasons if that is more
SIGNIFICANCE = 0.05  # a hypothesis with a smaller p-value is rejected
SEASONS_AVERAGED = 11  # neighbouring seasons that STL averages; the usual choice
TREND_SHARE = 0.2  # share of the series in the window of LOESS if there is no season


@dataclass(frozen=True)
class Patterns:
    """Parts of a series and results of tests."""

    begin: int  # position of the first observation used
    trend: Values  # (observations,); trend, seasonal and remainder add up to the series
    seasonal: Values
    remainder: Values
    autocorrelation: Values  # at lags 0, 1, …
    summary: dict[str, float | int | None]


def write_patterns(data: Prepared, out: Path) -> None:
    """Write `patterns.json` and `decomposition.parquet` for the first target of the longest training series."""
    position, values = data.longest_training_series()
    patterns = find_patterns(values, data.layout.season)
    begin, end = data.part("train")[position]
    labels = {"series": data.ids[position], "autocorrelations": patterns.autocorrelation.tolist()}
    write_document(out / "patterns.json", patterns.summary | labels)
    parts = {"trend": patterns.trend, "season": patterns.seasonal, "remainder": patterns.remainder}
    write_table(out / "decomposition.parquet", pd.DataFrame({"ds": data.times[begin + patterns.begin : end]} | parts))


def find_patterns(values: Values, season: int | None) -> Patterns:
    """Return the decomposition and tests of a series.

    White noise is tested on the first differences, not on the remainder: a remainder is smoothed and is never white
    noise. If the differences are noise, no model can beat the last value.
    Only the last 20,000 values are used; `season` is the number of observations in a season, if any.
    """
    begin = max(0, len(values) - MAX_OBSERVATIONS)
    values = np.asarray(values, np.float64)[begin:]
    season = season if season is not None and 2 <= season <= len(values) // 2 else None
    trend, seasonal, remainder = decompose(values, season)
    lags = min(len(values) - 1, max(MIN_LAGS, 2 * (season or 0)))
    adjusted, steps = _standard(values - seasonal, values), _standard(np.diff(values), values)
    correlations = autocorrelation(values)[: lags + 1]
    summary = {
        "observations": len(values),
        "season": season,
        "strength_of_trend": _strength(trend, remainder),  # 0 to 1: share of variance that the trend explains
        "strength_of_season": _strength(seasonal, remainder) if season else None,
        "deviation_of_remainder": float(remainder.std()),
        "autocorrelation": float(correlations[1]) if len(correlations) > 1 else None,
        "bound": 1.96 / math.sqrt(len(values)),  # 95 % of the autocorrelations of white noise are within ±bound
        # p-values. ADF's hypothesis is that the level wanders, KPSS's (from 0.01 to 0.1) that it does not; both without
        # the season. Ljung-Box's hypothesis is that the first differences are white noise.
        "unit_root": None if adjusted is None else _unit_root(adjusted),
        "stationary": None if adjusted is None else _stationary(adjusted),
        "steps_are_noise": None if steps is None else _white_noise(steps, season),
    }
    return Patterns(begin, trend, seasonal, remainder, correlations, summary)


def decompose(values: Values, season: int | None) -> tuple[Values, Values, Values]:
    """Return trend, seasonal part and remainder, which add up to the values, of a series of any length.

    A series of at least two seasons is decomposed by STL. Otherwise the trend is a LOESS over a fifth of the series and
    the seasonal part is 0.
    """
    if season is not None and 2 <= season <= len(values) // 2:
        trend, seasonal = _stl(values, season)
    else:
        trend, seasonal = _smooth(values), np.zeros(len(values))
    return trend, seasonal, values - trend - seasonal


def _stl(values: Values, season: int) -> tuple[Values, Values]:
    from statsmodels.tsa.seasonal import STL

    window = math.ceil(1.5 * season / (1 - 1.5 / SEASONS_AVERAGED)) | 1  # odd; as in the paper
    fitted = STL(
        values,
        period=season,
        seasonal=SEASONS_AVERAGED,
        seasonal_deg=0,
        trend=window,
        trend_jump=math.ceil(window / 10),  # LOESS only at every tenth of the window, for speed
        low_pass_jump=math.ceil(season / 10),
    ).fit(inner_iter=2)
    return np.asarray(fitted.trend), np.asarray(fitted.seasonal)


def _smooth(values: Values) -> Values:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    count = len(values)
    if count < MIN_OBSERVATIONS or (values == values[0]).all():
        return np.full(count, values.mean())
    window = max(TREND_SHARE, MIN_OBSERVATIONS / count)
    smoothed = lowess(values, np.arange(count), frac=window, it=0, delta=0.01 * count, return_sorted=False)
    return np.asarray(smoothed, np.float64)


def _strength(part: Values, remainder: Values) -> float:
    both = float(np.var(part + remainder))
    return max(0.0, 1 - float(np.var(remainder)) / both) if both > 0 else 0.0


def _standard(part: Values, values: Values) -> Values | None:
    """Return a part with mean 0 and deviation 1 for a test; None if it is too short or only rounding errors."""
    if len(values) < MIN_OBSERVATIONS or np.ptp(part) <= 1e-9 * max(np.ptp(values), abs(values[0])):
        return None
    return np.asarray((part - part.mean()) / part.std())


def _unit_root(values: Values) -> float | None:
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning
    from statsmodels.tsa.stattools import adfuller

    if np.ptp(np.diff(values)) <= 1e-9:  # a straight line has nothing to regress on
        return None
    lags = int(np.cbrt(len(values) - 1))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):  # if the lags explain everything
        warnings.simplefilter("ignore", SingularMatrixWarning)
        return _probability(adfuller(values, maxlag=lags, autolag=None, result_object=True).pvalue)


def _stationary(values: Values) -> float | None:
    from statsmodels.tools.sm_exceptions import InterpolationWarning
    from statsmodels.tsa.stattools import kpss

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterpolationWarning)  # its table ends at 0.01 and 0.1; `_p` shows that
        return _probability(kpss(values, nlags="auto", result_object=True).pvalue)


def _white_noise(steps: Values, season: int | None) -> float | None:
    from statsmodels.stats.diagnostic import acorr_ljungbox

    lags = max(1, min(2 * season if season else 10, len(steps) // 5))
    return _probability(acorr_ljungbox(steps, lags=[lags])["lb_pvalue"].iloc[0])


def _probability(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def sentences(summary: Mapping[str, float | int | None]) -> list[str]:
    """Return the sentences that describe the `summary` of patterns."""
    trend, season = summary["strength_of_trend"] or 0.0, summary["strength_of_season"]
    of_season = "no season was found"
    if season is not None:
        of_season = f"the season of {summary['season']} observations is {_strong(season)} ({season:.2f})"
    lines = [f"The trend is {_strong(trend)} (strength {trend:.2f} of 1); {of_season}."]
    correlation, bound = summary["autocorrelation"], summary["bound"]
    if correlation is not None:
        lines.append(
            f"The autocorrelation at lag 1 is {correlation:.2f}; of white noise it would be within ±{bound:.2f}."
        )
    unit_root, stationary, noise = summary["unit_root"], summary["stationary"], summary["steps_are_noise"]
    if unit_root is not None and stationary is not None:
        level = {
            (True, False): "The series is stationary: it keeps returning to one level",
            (False, True): "The series is not stationary: its level wanders, so use differences or normalise windows",
            (True, True): "The series is stationary only for a while: it returns to a level that drifts or jumps",
            (False, False): "There are too few or too noisy observations to decide whether the series is stationary",
        }[unit_root < SIGNIFICANCE, stationary < SIGNIFICANCE]
        p_values = f"{_p(unit_root)} for a unit root by ADF, {_p(stationary, 0.01, 0.1)} for none by KPSS"
        lines.append(f"{level} (p-values: {p_values}).")
    if noise is not None:
        p_value = f"Ljung-Box, p {_p(noise)}"
        lines.append(
            f"Its differences are not white noise ({p_value}): past differences predict the next one."
            if noise < SIGNIFICANCE
            else f"Its differences look like white noise ({p_value}): the last value will be hard to beat."
        )
    return lines


def _strong(strength: float) -> str:
    return "strong" if strength >= 0.6 else "moderate" if strength >= 0.3 else "weak"


def _p(value: float, low: float = 0.001, high: float = 1.0) -> str:
    """Return a p-value as text; the tables of some tests end at `low` and `high`."""
    return f"≤ {low:g}" if value <= low else f"≥ {high:g}" if value >= high else f"{value:.3f}"

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
    correlations = autocorrelation(values)[: lags + 1]
    summary = {
        "observations": len(values),
        "season": season,
        "strength_of_trend": _strength(trend, remainder),  # 0 to 1: share of variance that the trend explains
        "strength_of_season": _strength(seasonal, remainder) if season else None,
        "deviation_of_remainder": float(remainder.std()),
        "autocorrelation": float(correlations[1]) if len(correlations) > 1 else None,
        "bound": 1.96 / math.sqrt(len(values)),  # 95 % of the autocorrelations of white noise are within ±bound
        **_p_values(values, seasonal, season),
    }
    return Patterns(begin, trend, seasonal, remainder, correlations, summary)


def decompose(values: Values, season: int | None) -> tuple[Values, Values, Values]:
    """Return trend, seasonal part and remainder, which add up to the values, of a series of any length.

    A series of at least two seasons is decomposed by STL. Otherwise the trend is a LOESS over a fifth of the series and
    the seasonal part is 0.
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess
    from statsmodels.tsa.seasonal import STL

    count, seasonal = len(values), np.zeros(len(values))
    if season is not None and 2 <= season <= count // 2:
        window = math.ceil(1.5 * season / (1 - 1.5 / SEASONS_AVERAGED)) | 1  # odd; as in the paper
        # LOESS only at every tenth of the windows, for speed
        jumps = {"trend_jump": math.ceil(window / 10), "low_pass_jump": math.ceil(season / 10)}
        stl = STL(values, period=season, seasonal=SEASONS_AVERAGED, seasonal_deg=0, trend=window, **jumps)
        fitted = stl.fit(inner_iter=2)
        trend, seasonal = np.asarray(fitted.trend), np.asarray(fitted.seasonal)
    elif count < MIN_OBSERVATIONS or (values == values[0]).all():
        trend = np.full(count, values.mean())
    else:
        share = max(TREND_SHARE, MIN_OBSERVATIONS / count)
        smoothed = lowess(values, np.arange(count), frac=share, it=0, delta=0.01 * count, return_sorted=False)
        trend = np.asarray(smoothed, np.float64)
    return trend, seasonal, values - trend - seasonal


def _strength(part: Values, remainder: Values) -> float:
    both = float(np.var(part + remainder))
    return max(0.0, 1 - float(np.var(remainder)) / both) if both > 0 else 0.0


def _standard(part: Values, values: Values) -> Values | None:
    """Return a part with mean 0 and deviation 1 for a test; None if it is too short or only rounding errors."""
    if len(values) < MIN_OBSERVATIONS or np.ptp(part) <= 1e-9 * max(np.ptp(values), abs(values[0])):
        return None
    return np.asarray((part - part.mean()) / part.std())


def _p_values(values: Values, seasonal: Values, season: int | None) -> dict[str, float | None]:
    """Return the p-values of three hypotheses; None where a test is not possible.

    The hypothesis of `unit_root` (ADF) is that the level wanders, that of `stationary` (KPSS, from 0.01 to 0.1) that it
    does not; both without the season. That of `steps_are_noise` (Ljung-Box) is that first differences are white noise.
    """
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tools.sm_exceptions import InterpolationWarning, SingularMatrixWarning
    from statsmodels.tsa.stattools import adfuller, kpss

    p_values = dict.fromkeys(("unit_root", "stationary", "steps_are_noise"), math.nan)
    adjusted = _standard(values - seasonal, values)
    steps = _standard(np.diff(values), values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularMatrixWarning)  # if the lags explain everything
        warnings.simplefilter("ignore", InterpolationWarning)  # KPSS's table ends at 0.01 and 0.1; `_p` shows that
        if adjusted is not None:
            p_values["stationary"] = kpss(adjusted, nlags="auto", result_object=True).pvalue
        if adjusted is not None and np.ptp(np.diff(adjusted)) > 1e-9:  # a straight line has nothing to regress on
            lags = int(np.cbrt(len(adjusted) - 1))
            with np.errstate(divide="ignore", invalid="ignore"):
                p_values["unit_root"] = adfuller(adjusted, maxlag=lags, autolag=None, result_object=True).pvalue
        if steps is not None:
            lags = max(1, min(2 * season if season else 10, len(steps) // 5))
            p_values["steps_are_noise"] = acorr_ljungbox(steps, lags=[lags])["lb_pvalue"].iloc[0]
    return {name: float(value) if math.isfinite(value) else None for name, value in p_values.items()}


def sentences(summary: Mapping[str, float | int | None]) -> list[str]:
    """Return the sentences that describe the `summary` of patterns."""
    # The strengths of trend and season, and the autocorrelation.
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

    # The results of the tests.
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

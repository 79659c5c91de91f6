"""Choice of covariates: other columns, calendar features, and harmonics.

Each choice must lower the error of a linear forecast, which is fitted with and without it and compared on four blocks
of time before the test set. Each block follows the rows that the forecast is fitted on, so a column that only seems to
help, as most do in a short series with a trend, is not proposed.
"""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.preprocess import time_features
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import words_of

_KNOWN_WORDS = {"holiday", "holidays", "workday", "workingday", "planned", "scheduled"}  # in the names of columns
_MIN_GAIN = 0.02  # share of the error that a choice must save
_PERIODS = {"day": pd.Timedelta(days=1), "week": pd.Timedelta(days=7), "year": pd.Timedelta(days=365)}
_LOWERS = "lowers the error of a linear forecast"
_BLOCKS = 4  # blocks to compare errors on, in the second half of the time
_MIN_BETTER_BLOCKS = 3  # blocks in which a column must lower the error
_MAX_WINDOWS = 10_000  # evenly spaced ones; more would not change the result
_PENALTY = 1.0  # penalty on the squared weights of standardised features

Values = npt.NDArray[np.float64]
Features = list[Values]  # for each step of a forecast, (windows, features)


@dataclass(frozen=True)
class Covariates:
    """Proposed settings, and why columns are not used."""

    ingest: list[Guess]
    preprocess: list[Guess]
    names: set[str]  # names of the columns that are used
    unused: dict[str, str]  # other column to reason
    notes: list[str]


def choose_covariates(
    table: pd.DataFrame, target: str, columns: list[str], ahead: Collection[str], windows: Preprocess, frequency: str
) -> Covariates:
    """Return the covariates that lower the error.

    Args:
        table: rows of ingest without the test set.
        target: the column to forecast.
        columns: the columns to test.
        ahead: those of them that have values after the end of the target.
        windows: history and horizon.
        frequency: the distance of the observations.
    """
    forecast = LinearForecast(table, target, windows.history, windows.horizon)

    def ahead_of(name: str) -> Features:
        return forecast.ahead(table[[name]].to_numpy(np.float64))

    # What is known ahead comes first: the calendar, then columns that probably are. The others are known from the past.
    tested = columns[:50]
    can_know = windows.history >= windows.horizon  # preprocess refuses known columns otherwise
    preprocess = _choose_calendar(pd.Index(table["ds"]), forecast, frequency) if can_know else []
    likely = [name for name in tested if name in ahead or not _KNOWN_WORDS.isdisjoint(words_of(name))]
    likely = likely if can_know else []
    known = _choose(forecast, likely, ahead_of)
    others = [name for name in tested if name not in likely]
    inputs = _choose(forecast, others, forecast.past)
    if_known = {name: forecast.gain(ahead_of(name)) for name in others} if can_know else {}
    # Say why the other columns are not used.
    why = "does not lower the error of a linear forecast" if forecast.is_usable else "is not tested on so few rows"
    unused = {}
    for name in columns:
        unused[name] = f"{why}: name it in `ingest.{'known' if name in likely else 'inputs'}` to use it"
        if (gain := if_known.get(name, 0.0)) >= _MIN_GAIN:
            unused[name] = f"{_LOWERS} by {gain:.0%} if you know it ahead: then name it in `ingest.known`"
    ingest = [Guess("inputs", list(inputs), _describe_gains(inputs))] if inputs else []
    if known:
        ingest.append(Guess("known", list(known), f"{_describe_gains(known)}; must be known ahead"))
    notes = [
        f"{name!r} lowers the error more if you know it ahead: then move it from `ingest.inputs` to `ingest.known`."
        for name in inputs
        if if_known.get(name, 0.0) >= _MIN_GAIN
    ]
    return Covariates(ingest, preprocess, {*inputs, *known}, unused, notes)


def _choose(forecast: "LinearForecast", names: list[str], features_of: Callable[[str], Features]) -> dict[str, float]:
    """Return the columns that lower the error most, one after the other, each with the share that it saves."""
    chosen: dict[str, float] = {}
    while names and len(chosen) < 5:
        gains = {name: forecast.gain(features_of(name)) for name in names}
        best = max(gains, key=gains.__getitem__)
        if gains[best] < _MIN_GAIN:
            break
        forecast.keep(features_of(best))
        chosen[best] = gains[best]
        names = [name for name in names if name != best and gains[name] > 0]
    return chosen


def _choose_calendar(times: pd.Index, forecast: "LinearForecast", frequency: str) -> list[Guess]:
    """Return the harmonics and calendar features of each period that lower the error most."""
    if not isinstance(times, pd.DatetimeIndex):
        return []
    span, step = times.max() - times.min(), pd.Series(times.unique().sort_values()).diff().median()
    guesses: dict[str, Guess] = {}
    for period, length in _PERIODS.items():
        if 4 * step > length or 2 * length > span:  # a period needs four observations, the data two periods
            continue
        # Compare one to three pairs of sine and cosine, and names of weekdays.
        options: list[tuple[str, Any]] = [("harmonics", {"period": period, "pairs": pairs}) for pairs in (1, 2, 3)]
        options += [("calendar", "weekday")] if period == "week" else []
        ahead = []
        for key, value in options:
            settings = Preprocess.model_validate({"history": 1, key: [value]})
            known = np.asarray(time_features(times, settings, times.min(), frequency), np.float64)
            ahead.append(forecast.ahead(known))
        gains = [forecast.gain(columns) for columns in ahead]
        best = int(np.argmax(gains))
        if gains[best] >= _MIN_GAIN:
            forecast.keep(ahead[best])
            key, value = options[best]
            before = guesses.get(key, Guess(key, [], _LOWERS))
            share = f"{', ' if before.value else ': '}{period} by {gains[best]:.0%}"
            guesses[key] = Guess(key, [*before.value, value], before.why + share)
    return list(guesses.values())


def _describe_gains(gains: dict[str, float]) -> str:
    """Return a text with the share of the error that each column saves, in their order."""
    return f"{_LOWERS} by {', '.join(f'{gain:.0%}' for gain in gains.values())}"


class LinearForecast:
    """Linear forecasts of the first and the last step of a horizon, for the windows of one or several series."""

    def __init__(self, table: pd.DataFrame, target: str, history: int, horizon: int) -> None:
        """Take the windows of a table of ingest, without its test set."""
        self._table = table
        self._steps = sorted({1, horizon})
        self._lags = max(1, min(history, len(table) // 10))
        values = self._standardised(target)
        series = table["unique_id"].to_numpy()
        at = np.arange(self._lags - 1, max(self._lags - 1, len(table) - horizon))
        at = at[series[at - self._lags + 1] == series[at + horizon]]
        times = np.unique(table["ds"].to_numpy(), return_inverse=True)[1]
        at = at[:: -(-len(at) // _MAX_WINDOWS) or 1]
        self._at = at[np.argsort(times[at], kind="stable")]
        self._times, last = times[self._at], values[self._at]
        past = np.column_stack([last, *(values[self._at - lag] - last for lag in range(1, self._lags))])
        self._features = [past for _ in self._steps]
        self._truth = [values[self._at + step] - last for step in self._steps]
        self._error: Values | None = None  # error of the current features in each block

    @property
    def is_usable(self) -> bool:
        """Return whether there are enough windows to compare errors."""
        return len(self._at) >= 60

    def past(self, name: str) -> Features:
        """Return features from the last values of a column."""
        values = self._standardised(name)
        last = values[self._at]
        features = np.column_stack([last, *(last - values[self._at - lag] for lag in range(1, min(3, self._lags)))])
        return [features for _ in self._steps]

    def ahead(self, columns: Values) -> Features:
        """Return columns that are known ahead, (rows, columns), at the times to forecast."""
        return [columns[self._at + step] for step in self._steps]

    def gain(self, more: Features) -> float:
        """Return the share by which additional features lower the error; 0 unless they lower it in most blocks."""
        if not self.is_usable:
            return 0.0
        before = self._errors([])
        after = self._errors(more)
        return float(1 - (after / before).mean()) if (after < before).sum() >= _MIN_BETTER_BLOCKS else 0.0

    def keep(self, more: Features) -> None:
        """Add features to the forecast; later gains are relative to it."""
        self._features = [np.column_stack(pair) for pair in zip(self._features, more, strict=True)]
        self._error = None

    def _errors(self, more: Features) -> Values:
        """Return the sum of the errors of all steps in each block."""
        if not more and self._error is not None:
            return self._error
        edges = self._times[(np.linspace(0.5, 1, _BLOCKS + 1) * (len(self._times) - 1)).astype(int)]
        errors = np.full(_BLOCKS, 1e-12)
        for at, (step, truth) in enumerate(zip(self._steps, self._truth, strict=True)):
            features = np.column_stack([self._features[at], more[at]]) if more else self._features[at]
            for block, (begin, end) in enumerate(itertools.pairwise(edges)):
                fitted, scored = self._times + step <= begin, (self._times > begin) & (self._times <= end)
                if fitted.any() and scored.any():
                    forecast = _forecast_by_ridge(features[fitted], truth[fitted], features[scored])
                    errors[block] += np.abs(forecast - truth[scored]).mean()
        if not more:
            self._error = errors
        return errors

    def _standardised(self, name: str) -> Values:
        """Return a column with mean 0 and deviation 1 in each series."""
        by_series: Any = self._table[name].groupby(self._table["unique_id"], sort=False)
        deviation = by_series.transform("std", ddof=0).replace(0, 1)
        return np.asarray((self._table[name] - by_series.transform("mean")) / deviation, np.float64)


def _forecast_by_ridge(features: Values, truth: Values, scored: Values) -> Values:
    """Return the predictions of a ridge regression."""
    mean, deviation, centre = features.mean(axis=0), features.std(axis=0), truth.mean()
    deviation[deviation < 1e-9] = np.inf
    scaled = (features - mean) / deviation
    gram = scaled.T @ scaled + _PENALTY * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (truth - centre))
    return np.asarray((scored - mean) / deviation @ weights + centre)

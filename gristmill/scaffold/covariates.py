"""Choice of covariates: other columns, calendar features, and harmonics.

Each choice must lower the error of a linear forecast on blocks before the test set (`linear_forecast.py`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data.known_features import features
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.scaffold.column import words_of
from gristmill.scaffold.linear_forecast import Features, LinearForecast, Values
from gristmill.scaffold.proposal import Guess

_KNOWN_WORDS = {"holiday", "holidays", "workday", "workingday", "planned", "scheduled"}  # in the names of columns
_MIN_GAIN = 0.02  # share of the error that a choice must save
_MAX_CHOSEN = 5
_MAX_COLUMNS_TESTED = 50
_PERIODS = {"day": pd.Timedelta(days=1), "week": pd.Timedelta(days=7), "year": pd.Timedelta(days=365)}
_PAIRS = (1, 2, 3)  # possible numbers of sine and cosine pairs in a period
_MIN_STEPS, _MIN_CYCLES = 4, 2  # observations in a period, and periods in the data
_LOWERS = "lowers the error of a linear forecast"


@dataclass(frozen=True)
class Covariates:
    """Proposed settings, and why columns are not used."""

    ingest: list[Guess]
    preprocess: list[Guess]
    names: set[str]  # names of the columns that are used
    unused: dict[str, str]  # other column to reason


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
    names = columns[:_MAX_COLUMNS_TESTED]
    forecast = LinearForecast(table, target, windows.history, windows.horizon)
    can_know = windows.history >= windows.horizon  # preprocess refuses known columns otherwise
    preprocess = _choose_calendar(pd.Index(table["ds"]), forecast, frequency) if can_know else []
    likely = [name for name in names if name in ahead or _is_named_like_known(name)] if can_know else []

    def ahead_of(name: str) -> Features:
        return forecast.ahead(table[[name]].to_numpy(np.float64))

    known = _choose(forecast, likely, ahead_of)
    others = [name for name in names if name not in likely]
    inputs = _choose(forecast, others, forecast.past)
    if_known = {name: forecast.gain(ahead_of(name)) for name in others} if can_know else {}
    why = "does not lower the error of a linear forecast" if forecast.is_usable else "is not tested on so few rows"
    unused = {
        name: f"{why}: name it in `ingest.{'known' if name in likely else 'inputs'}` to use it" for name in columns
    } | {
        name: f"{_LOWERS} by {gain:.0%} if you know it ahead: then name it in `ingest.known`"
        for name, gain in if_known.items()
        if gain >= _MIN_GAIN
    }
    ingest = []
    if inputs:
        helpful = [name for name in inputs if if_known.get(name, 0.0) >= _MIN_GAIN]
        move = (
            f"; {', '.join(map(repr, helpful))} more if you know it ahead: then move it to `known`" if helpful else ""
        )
        ingest.append(Guess("inputs", list(inputs), f"{_listed(inputs)}{move}"))
    if known:
        why = f"known ahead: {_listed(known)}; a forecast needs their values for its own times"
        ingest.append(Guess("known", list(known), why))
    return Covariates(ingest, preprocess, {*inputs, *known}, unused)


def _choose(forecast: LinearForecast, names: list[str], features_of: Callable[[str], Features]) -> dict[str, float]:
    """Return the columns that lower the error most, one after the other, each with the share that it saves."""
    chosen: dict[str, float] = {}
    while names and len(chosen) < _MAX_CHOSEN:
        gains = {name: forecast.gain(features_of(name)) for name in names}
        best = max(gains, key=gains.__getitem__)
        if gains[best] < _MIN_GAIN:
            break
        forecast.keep(features_of(best))
        chosen[best] = gains[best]
        names = [name for name in names if name != best and gains[name] > 0]
    return chosen


def _choose_calendar(times: pd.Index, forecast: LinearForecast, frequency: str) -> list[Guess]:
    """Return the harmonics and calendar features of each period that lower the error most."""
    if not isinstance(times, pd.DatetimeIndex):
        return []
    span, step = times.max() - times.min(), pd.Series(times.unique().sort_values()).diff().median()
    guesses: dict[str, Guess] = {}
    for period, length in _PERIODS.items():
        if _MIN_STEPS * step > length or _MIN_CYCLES * length > span:
            continue
        options: list[tuple[str, Any]] = [("harmonics", {"period": period, "pairs": pairs}) for pairs in _PAIRS]
        options += [("calendar", "weekday")] if period == "week" else []
        known = [_known_features(times, key, value, frequency) for key, value in options]
        gains = [forecast.gain(forecast.ahead(columns)) for columns in known]
        best = int(np.argmax(gains))
        if gains[best] >= _MIN_GAIN:
            forecast.keep(forecast.ahead(known[best]))
            key, value = options[best]
            before = guesses.get(key, Guess(key, [], _LOWERS))
            share = f"{', ' if before.value else ': '}{period} by {gains[best]:.0%}"
            guesses[key] = Guess(key, [*before.value, value], before.why + share)
    return list(guesses.values())


def _known_features(times: pd.DatetimeIndex, key: str, value: Any, frequency: str) -> Values:
    settings = Preprocess.model_validate({"history": 1, key: [value]})
    return np.asarray(features(times, settings, times.min(), frequency), np.float64)


def _is_named_like_known(name: str) -> bool:
    return not _KNOWN_WORDS.isdisjoint(words_of(name))


def _listed(gains: dict[str, float]) -> str:
    """Return a text with the share of the error that each column saves."""
    shares = [f"{name!r} by {gain:.0%}" for name, gain in gains.items()]
    return f"{_LOWERS}: {', '.join(shares)}" if len(gains) > 1 else f"{_LOWERS} by {next(iter(gains.values())):.0%}"

"""Choice of windows, parts and backtest for ingested series.

Series that end at different times cannot all be tested at the same times: then each is split before its own end.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import inside
from gristmill.domains.timeseries.data.split import (
    bounds_of,
    min_before_block,
    part_size,
    part_sizes,
    split_all,
    split_each,
)
from gristmill.domains.timeseries.patterns.seasonality import find_season
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError
from gristmill.scaffold.proposal import Asked, Guess
from gristmill.settings.messages import format_number

_DAY = 86_400_000_000_000  # nanoseconds
_MAX_HISTORY, _MAX_HORIZON = 168, 24  # observations, for series with many a day
_MIN_TIMES_FOR_SMALL_PARTS = 200  # fewer times get larger parts
_MIN_BEFORE_HORIZON = 3  # observations of a training set before its last forecast, for two windows of two values
_MIN_FORECASTS = 50  # forecasts to choose models on that do not overlap; with fewer, a backtest is added
_MIN_TRAINING_SHARE = 0.4  # minimum share of the times before the oldest block
_MAX_UNTESTED_SHARE = 0.1  # maximum share of series that end too early for a test at common times
_MAX_OWN_BLOCKS = 3  # blocks of a horizon before the end of each series
_SERIES_SEARCHED = 20  # longest series in which a season is searched
_TRAINING_SHARE_SEARCHED = 0.8  # share of a series in which a season is searched, always before the test set
_ASKED = "as requested"


@dataclass(frozen=True)
class FrequencyDefaults:
    """Windows for series of a frequency, in observations."""

    name: str  # of the history, for people
    history: int
    horizon: int
    season: int | None = None


_UNKNOWN = FrequencyDefaults("no season is known", 12, 1)


_BY_ALIAS = {
    "D": FrequencyDefaults("four weeks", 28, 7, 7),
    "B": FrequencyDefaults("four weeks", 20, 5, 5),
    "W": FrequencyDefaults("a year", 52, 4, 52),
    "M": FrequencyDefaults("two years", 24, 3, 12),
    "Q": FrequencyDefaults("two years", 8, 2, 4),
    "Y": FrequencyDefaults("ten years", 10, 1),
}


def defaults_of(frequency: str) -> FrequencyDefaults:
    """Return the defaults of a frequency: a pandas alias, or the distance of numbered observations.

    >>> defaults_of("MS").season
    12
    >>> defaults_of("15min").season
    96
    """
    if frequency.isdigit():
        return _UNKNOWN
    offset: Any = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(offset, pd.offsets.Tick) and not isinstance(offset, pd.offsets.Day):
        season = _DAY // offset.nanos
        if season < 2:
            return _UNKNOWN
        history = min(2 * season, _MAX_HISTORY)
        days = f"{format_number(history / season, 2)} days"
        return FrequencyDefaults(days, history, min(season, _MAX_HORIZON), season)
    if offset.n > 1 and not isinstance(offset, pd.offsets.Tick):
        return _UNKNOWN
    start = frequency.partition("-")[0]  # MS, ME and BME, of starts and ends of months, are all M
    alias = start.removeprefix("B" if len(frequency) > 1 else "").rstrip("SE")
    return _BY_ALIAS.get(alias, _UNKNOWN)


def part_share(count: int) -> float:
    """Return the share of `count` observations that a part takes."""
    return 0.2 if count < _MIN_TIMES_FOR_SMALL_PARTS else 0.15


def validation_size(count: int, horizon: int) -> float:
    """Return a share of `count` observations, or the horizon if that is more."""
    return part_share(count) if round(part_share(count) * count) >= horizon else horizon


def check_test(count: int, test: float, horizon: int) -> None:
    """Raise an error if no forecast fits into the test set that the user asked for."""
    held_out = part_size(count, test)
    if held_out < horizon:
        raise DataError(
            f"--test {test:g} holds {held_out} of {count} times, fewer than the horizon of {horizon}. Use a larger "
            "--test, or a shorter --horizon."
        )


def check_times(count: int, horizon: int, asked: Asked) -> None:
    """Raise an error if `count` times have no room for what the user asked for."""

    def sizes(horizon: int) -> tuple[int, int, int]:
        validation = validation_size(count, horizon)
        test = asked.test or validation
        return part_size(count, validation), part_size(count, test), horizon + _MIN_BEFORE_HORIZON

    validation, test, training = sizes(horizon)
    fitting = next((shorter for shorter in range(horizon, 0, -1) if sum(sizes(shorter)) <= count), 0)
    if fitting == horizon:
        return
    options = [f"--horizon {fitting} or less"] * (asked.horizon is not None and fitting > 0)
    options += ["a smaller --test"] * (asked.test is not None)
    raise DataError(
        f"{count} times are too few for a horizon of {horizon}: the test set takes {test}, the validation set "
        f"{validation}, and training needs {training}. Use {' or '.join(options)}."
    )


def refuse_short(longest: int, least: int, horizon: int, test: int) -> NoReturn:
    """Raise an error for series whose longest has no room for a block, `least` values before it, and a test set."""
    fitting = (longest - least) // 2
    shorter = f"Use --horizon {fitting} --test {fitting}, or longer series." if fitting > 0 else "Use longer series."
    raise DataError(
        f"the longest series has {longest} values, but models are compared on series with {least} before a block of "
        f"{horizon} (the horizon) and a test set of {test}: {least + horizon + test} in all. {shorter}"
    )


@dataclass(frozen=True)
class Ingested:
    """Results of ingest."""

    frequency: str
    counts: dict[str, int]
    target: str
    table: pd.DataFrame  # all series, with the columns to test as inputs

    @cached_property
    def times(self) -> npt.NDArray[Any]:
        """Different times, sorted."""
        return np.unique(self.table["ds"].to_numpy())

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Observations of each series, (series,)."""
        return np.asarray(self.table.groupby("unique_id", sort=False).size(), np.int64)

    @property
    def defaults(self) -> FrequencyDefaults:
        """Usual windows at the frequency."""
        return defaults_of(self.frequency)

    def before_test(self, settings: Preprocess) -> pd.DataFrame:
        """Return the rows before the test set."""
        if settings.split == "time":
            _, parts = split_all(self.table["ds"], self.lengths, settings)
        else:
            _, parts = split_each(self.lengths, settings, past=1)
        rows: pd.DataFrame = self.table[inside(len(self.table), np.column_stack([parts[:, 0, 0], parts[:, 2, 0]]))]
        return rows.reset_index(drop=True)


@dataclass(frozen=True)
class Plan:
    """Proposed settings of the tables `preprocess` and `backtest`."""

    preprocess: list[Guess]
    season: list[Guess]  # of the table `preprocess`
    backtest: list[Guess]


def plan_windows(found: Ingested, asked: Asked) -> Plan:
    """Return windows that suit the frequency and fit into each part, and blocks to choose models on."""
    plan = _shares(found, asked, len(found.times))
    values = {guess.key: guess.value for guess in plan.preprocess}
    check_test(len(found.times), values["test"], values["horizon"])
    untested = _untested(found, values["test"], values["horizon"])
    if untested <= _MAX_UNTESTED_SHARE * len(found.lengths):
        check_times(len(found.times), values["horizon"], asked)
        return plan
    cut = Guess("split", "per_series", f"at common times, {untested:,} of {len(found.lengths):,} series end too early")
    of_blocks, of_shares = _own_blocks(found, asked, cut), _shares(found, asked, _typical(found), cut)
    if not of_blocks and _has_own_room(found, of_shares):
        return of_shares
    return of_blocks or _own_blocks(found, asked, cut, forecasts=1) or _refuse(found, of_shares, asked)


def _has_own_room(found: Ingested, plan: Plan) -> bool:
    """Return whether a series that is split on its own has room for its test set, validation set and blocks."""
    values = {guess.key: guess.value for guess in [*plan.preprocess, *plan.season, *plan.backtest]}
    test, validation = (part_sizes(found.lengths, values[part]) for part in ("test", "validation"))
    held_out = np.maximum(validation, values.get("windows", 0) * values.get("size", 0))
    before = found.lengths - np.maximum(test, values["horizon"]) - held_out
    return bool(((before >= min_before_block(values.get("season"))) & (validation >= values["horizon"])).any())


def _refuse(found: Ingested, plan: Plan, asked: Asked) -> NoReturn:
    """Raise an error, because no series has room for a block and a test set."""
    values = {guess.key: guess.value for guess in [*plan.preprocess, *plan.season]}
    longest, horizon = int(found.lengths.max()), values["horizon"]
    test = part_size(longest, asked.test or horizon)
    refuse_short(longest, min_before_block(values.get("season")), horizon, test)


def _untested(found: Ingested, test: float, horizon: int) -> int:
    """Return the number of series that would have no forecast in a test set at common times."""
    ends = found.table["ds"].to_numpy()[np.cumsum(found.lengths) - 1]
    count = len(found.times)
    observed = np.searchsorted(found.times, ends) + 1 - (count - part_size(count, test))
    return int((observed < horizon).sum())


def _typical(found: Ingested) -> int:
    return int(np.median(found.lengths))


def _horizon(found: Ingested, asked: Asked, count: int) -> tuple[int, str]:
    """Return the observations to forecast in series of `count` observations, and the reason."""
    if asked.horizon:
        return asked.horizon, _ASKED
    horizon = max(1, min(found.defaults.horizon, round(part_share(count) * count) // 4))
    if (1 - found.counts.get("filled", 0) / found.counts["rows"]) ** horizon < 0.5:  # filled values are not forecast
        horizon = 1
    if asked.test and asked.test >= 1:
        horizon = min(horizon, int(asked.test))
    return horizon, "values to forecast: set what you need"


def _history(found: Ingested, history: int) -> Guess:
    shorter = "" if history == found.defaults.history else "fewer than "
    why = f"values a network sees at frequency {found.frequency}: {shorter}{found.defaults.name}"
    return Guess("history", history, why)


def _shares(found: Ingested, asked: Asked, count: int, cut: Guess | None = None) -> Plan:
    """Return parts that are shares of `count` observations, and blocks if the validation set is small."""
    share, (horizon, why) = part_share(count), _horizon(found, asked, count)
    validation = validation_size(count, horizon)
    test = asked.test or validation
    of_validation, of_test = (part_size(count, size) for size in (validation, test))
    history = max(horizon, 2, min(found.defaults.history, round(count * (1 - 2 * share) / 4)))
    windows = count - of_validation - of_test - horizon  # observations that training windows may begin with
    history = max(2, min(history, windows // 2))
    of_each = " of each series" if cut else ""
    what = "observations of a typical series" if cut else "times"
    guesses = [
        _history(found, history),
        Guess("horizon", horizon, why),
        *([cut] if cut else []),
        Guess("validation", validation, f"about {of_validation:,} of {count:,} {what}: used to choose the model"),
        Guess("test", test, f"the last {of_test:,}{of_each}: used only for the scores"),
    ]
    of_count = [size if size < 1 else size / count for size in (validation, test)]
    blocks = int((1 - of_count[1] - _MIN_TRAINING_SHARE) / of_count[0])
    small = of_validation // horizon * len(found.lengths) < _MIN_FORECASTS
    backtest = []
    if small and blocks >= 2:
        reason = "blocks before the test set, to choose models on: the validation set is small"
        unit = "observations" if cut else "times"
        backtest = [Guess("windows", blocks, reason), Guess("size", of_validation, f"{unit} in a block")]
    return Plan(guesses, _season(found, test, of_most=cut is not None), backtest)


def _own_blocks(found: Ingested, asked: Asked, cut: Guess, forecasts: int = _MIN_FORECASTS) -> Plan | None:
    """Return blocks of one horizon before the test set of each series; None if they hold fewer `forecasts`.

    There are as many blocks, up to three, as most series have room for.
    """
    horizon, why = _horizon(found, asked, _typical(found))
    test = asked.test or horizon
    season = _season(found, test, of_most=True)
    rest = found.lengths - part_sizes(found.lengths, test)
    least = min_before_block(season[0].value if season else None)
    room = [int((rest - blocks * horizon >= least).sum()) for blocks in range(1, _MAX_OWN_BLOCKS + 1)]
    blocks = max(1, sum(2 * series > len(rest) for series in room))
    if sum(room[:blocks]) < forecasts:
        return None
    history = _own_history(rest - blocks * horizon, horizon, found.defaults.history)
    last = "a share of each series" if test < 1 else f"the last {test:,} of each series"
    preprocess = [
        _history(found, history),
        Guess("horizon", horizon, why),
        cut,
        Guess("validation", 0, "none: models are chosen on the blocks of the backtest"),
        Guess("test", test, f"{last}: used only for the scores"),
    ]
    enough = f"{room[0]:,} of {len(rest):,} series have {least} observations before one"
    backtest = [
        Guess("windows", blocks, f"blocks before each test set, to choose models on: {enough}"),
        Guess("size", horizon, "observations in a block: one horizon"),
        Guess("gap", 0, "no gap: a block follows its training set, as the test set does"),
    ]
    return Plan(preprocess, season, backtest)


def _own_history(lengths: npt.NDArray[np.int64], horizon: int, history: int) -> int:
    """Return a history, as usual or shorter, with at least one whole window to learn from for each series on average.

    A shorter one would suit more series, but on the M1 and M3 monthly series trees that saw 12 months instead of 24 had
    7 to 9 % more error on a block before the test sets.
    """

    def windows(history: int) -> int:
        return int(np.maximum(0, lengths - history - horizon + 1).sum())

    return max(2, next((shorter for shorter in range(history, 2, -1) if windows(shorter) >= len(lengths)), 2))


def _season(found: Ingested, test: float, of_most: bool) -> list[Guess]:
    """Return the season found before the test set of the longest series; of most of the longest ones if `of_most`.

    One of many short series may seem to have a season by chance.
    """
    bounds = bounds_of(found.lengths)
    longest = np.argsort(-found.lengths, kind="stable")[: _SERIES_SEARCHED if of_most else 1]
    values = found.table[found.target].to_numpy(np.float64)
    training = []
    for (begin, end), held_out in zip(bounds[longest], part_sizes(found.lengths, test)[longest], strict=True):
        length = end - begin
        training.append(values[begin : begin + max(1, min(int(length * _TRAINING_SHARE_SEARCHED), length - held_out))])
    seasons = [find_season(each) for each in training]
    season = max(set(seasons), key=seasons.count)
    if 2 * seasons.count(season) <= len(seasons):
        season = None
    usual = found.defaults.season
    if usual and 2 * usual <= len(training[0]) and (not season or usual % season == 0):
        return [Guess("season", usual, f"values in a season, as usual at frequency {found.frequency}")]
    if season:
        return [Guess("season", season, "found: the values repeat at this distance")]
    return [Guess("season", 0, "no season found in most of the longest series")] if of_most else []

"""Choice of windows, parts and backtest for ingested series.

Series that end at different times cannot all be tested at the same times: then each is split before its own end.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import inside
from gristmill.domains.timeseries.data.grid import is_finer_than_a_day
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
from gristmill.scaffold.proposal import ForecastOptions, Guess, values_of
from gristmill.settings.number_text import format_number

_MAX_HISTORY, _MAX_HORIZON = 168, 24  # observations, for series with many a day
_DAYS_IN_A_YEAR = 365
_MAX_MULTIPLE = 20  # a season longer than so many usual ones is one of its own
_MIN_FORECASTS = 50  # forecasts to choose models on that do not overlap; with fewer, a backtest is added


@dataclass(frozen=True)
class FrequencyDefaults:
    """Windows for series of a frequency, in observations."""

    name: str  # of the history, for people
    history: int
    ahead: str  # name of the horizon
    horizon: int
    season: int | None = None


_UNKNOWN = FrequencyDefaults("no season is known", 12, "the next value", 1)

_BY_ALIAS = {
    "D": FrequencyDefaults("four weeks", 28, "a week", 7, 7),
    "B": FrequencyDefaults("four weeks", 20, "a week", 5, 5),
    "W": FrequencyDefaults("a year", 52, "four weeks", 4, 52),
    "M": FrequencyDefaults("two years", 24, "a year", 12, 12),
    "Q": FrequencyDefaults("two years", 8, "a year", 4, 4),
    "Y": FrequencyDefaults("ten years", 10, "a year", 1),
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
        season = 86_400_000_000_000 // offset.nanos  # in a day
        if season < 2:
            return _UNKNOWN
        history = min(7 * season, _MAX_HISTORY)
        days = "a week" if history == 7 * season else f"{format_number(history / season, 2)} days"
        horizon = min(season, _MAX_HORIZON)
        ahead = "a day" if horizon == season else f"the next {horizon} values"
        return FrequencyDefaults(days, history, ahead, horizon, season)
    if offset.n > 1 and not isinstance(offset, pd.offsets.Tick):
        return _UNKNOWN
    start = frequency.partition("-")[0]  # MS, ME and BME, of starts and ends of months, are all M
    alias = start.removeprefix("B" if len(frequency) > 1 else "").rstrip("SE")
    return _BY_ALIAS.get(alias, _UNKNOWN)


@dataclass(frozen=True)
class Ingested:
    """Series as ingest returns them."""

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
    backtest: list[Guess]


def plan_windows(series: Ingested, options: ForecastOptions) -> Plan:
    """Return windows that suit the frequency and fit into each part, and blocks to choose models on."""
    # 1. Split all series at common times, if few of them end before the test set has room for a forecast.
    count = len(series.times)
    plan = _plan_shares(series, options, count)
    values = values_of(plan.preprocess)
    test, horizon = values["test"], values["horizon"]
    tested = part_size(count, test)
    if tested < horizon:
        raise DataError(
            f"--test {test:g} holds {tested} of {count} times, fewer than the horizon of {horizon}. Use a larger "
            "--test, or a shorter --horizon."
        )
    ends = series.table["ds"].to_numpy()[np.cumsum(series.lengths) - 1]
    observed = np.searchsorted(series.times, ends) + 1 - (count - tested)
    untested = int((observed < horizon).sum())
    if untested <= 0.1 * len(series.lengths):
        _check_room(count, horizon, options)
        return plan
    # 2. Otherwise, split each series before its own end: with blocks of a horizon if enough series have room for them,
    # with shares, or with fewer blocks.
    why = f"at common times, {untested:,} of {len(series.lengths):,} series end too early"
    split = Guess("split", "per_series", why)
    if with_blocks := _plan_own_blocks(series, options, split, _MIN_FORECASTS):
        return with_blocks
    with_shares = _plan_shares(series, options, int(np.median(series.lengths)), split)
    # A series needs room for its test set, validation set and blocks.
    values = values_of([*with_shares.preprocess, *with_shares.backtest])
    test_sizes, validation_sizes = (part_sizes(series.lengths, values[part]) for part in ("test", "validation"))
    held_out = np.maximum(validation_sizes, values.get("windows", 0) * values.get("size", 0))
    before = series.lengths - np.maximum(test_sizes, values["horizon"]) - held_out
    least, horizon = min_before_block(values.get("season")), values["horizon"]
    if ((before >= least) & (validation_sizes >= horizon)).any():
        return with_shares
    if with_few_blocks := _plan_own_blocks(series, options, split, 1):
        return with_few_blocks
    # 3. No series has room for a block and a test set.
    longest = int(series.lengths.max())
    test = part_size(longest, options.test or horizon)
    fitting = (longest - least) // 2
    shorter = f"Use --horizon {fitting} --test {fitting}, or longer series." if fitting > 0 else "Use longer series."
    raise DataError(
        f"the longest series has {longest} values, but models are compared on series with {least} before a block of "
        f"{horizon} (the horizon) and a test set of {test}: {least + horizon + test} in all. {shorter}"
    )


def _check_room(count: int, horizon: int, options: ForecastOptions) -> None:
    """Raise `DataError` if `count` times have no room for what the user requested."""

    def sizes(horizon: int) -> tuple[int, int, int]:
        validation = _validation_size(count, horizon)
        training = horizon + 3  # for two windows of two values
        return part_size(count, validation), part_size(count, options.test or validation), training

    validation, test, training = sizes(horizon)
    fitting = next((shorter for shorter in range(horizon, 0, -1) if sum(sizes(shorter)) <= count), 0)
    if fitting == horizon:
        return
    remedies = [f"--horizon {fitting} or less"] * (options.horizon is not None and fitting > 0)
    remedies += ["a smaller --test"] * (options.test is not None)
    raise DataError(
        f"{count} times are too few for a horizon of {horizon}: the test set takes {test}, the validation set "
        f"{validation}, and training needs {training}. Use {' or '.join(remedies)}."
    )


def _part_share(count: int) -> float:
    """Return the share of `count` observations that a part takes."""
    return 0.2 if count < 200 else 0.15


def _validation_size(count: int, horizon: int) -> float:
    """Return a share of `count` observations, or the horizon if that is more."""
    return _part_share(count) if round(_part_share(count) * count) >= horizon else horizon


def _guess_horizon(series: Ingested, options: ForecastOptions, count: int) -> Guess:
    """Return the observations to forecast in series of `count` observations."""
    if options.horizon:
        return Guess("horizon", options.horizon, "as requested")
    usual, why = series.defaults.horizon, f"{series.defaults.ahead}, as usual at frequency {series.frequency}"
    room, horizon = round(_part_share(count) * count) // 2, usual  # two in a part
    while horizon > max(1, room):
        horizon //= 2
    if (1 - series.counts.get("filled", 0) / series.counts["rows"]) ** horizon < 0.5:  # filled values are not forecast
        horizon, why = 1, "the next value, since many are missing"
    elif horizon < usual:
        why = f"less than {series.defaults.ahead}, since the series is short"
    if options.test and horizon > options.test >= 1:
        horizon, why = int(options.test), "as long as the test set"
    return Guess("horizon", horizon, f"{why}: set what you need")


def _guess_history(series: Ingested, history: int) -> Guess:
    shorter = "fewer than " if history < series.defaults.history and series.defaults is not _UNKNOWN else ""
    why = f"values a network sees at frequency {series.frequency}: {shorter}{series.defaults.name}"
    return Guess("history", history, why)


def _plan_shares(series: Ingested, options: ForecastOptions, count: int, split: Guess | None = None) -> Plan:
    """Return parts that are shares of `count` observations, and blocks if the validation set is small."""
    # The sizes of the parts, and a history that leaves windows to train on.
    share = _part_share(count)
    horizon = _guess_horizon(series, options, count)
    validation = _validation_size(count, horizon.value)
    test = options.test or validation
    of_validation, of_test = (part_size(count, size) for size in (validation, test))
    history = max(horizon.value, 2, min(series.defaults.history, round(count * (1 - 2 * share) / 4)))
    windows = count - of_validation - of_test - horizon.value  # observations that training windows may begin with
    history = max(2, min(history, windows // 2))
    per_series, what = (" of each series", "in a typical series") if split else ("", "times")
    preprocess = [
        _guess_history(series, history),
        horizon,
        *([split] if split else []),
        Guess("validation", validation, f"about {of_validation:,} of {count:,} {what}: used to choose the model"),
        Guess("test", test, f"the last {of_test:,}{per_series}: used only for the scores"),
        *_guess_season(series, test, split is not None),
    ]
    # Blocks for a small validation set, with at least 40 % of the times before the oldest.
    of_count = [size if size < 1 else size / count for size in (validation, test)]
    blocks = int((1 - of_count[1] - 0.4) / of_count[0])
    backtest = []
    if blocks >= 2 and of_validation // horizon.value * len(series.lengths) < _MIN_FORECASTS:
        why = "blocks before the test set to choose models on, as validation is small"
        unit = "observations" if split else "times"
        backtest = [Guess("windows", blocks, why), Guess("size", of_validation, f"{unit} in a block")]
    return Plan(preprocess, backtest)


def _plan_own_blocks(series: Ingested, options: ForecastOptions, split: Guess, min_forecasts: int) -> Plan | None:
    """Return blocks of one horizon before the test set of each series; None if they hold too few forecasts.

    There are as many blocks, up to three, as most series have room for.
    """
    # As many blocks as fit before the test sets.
    guess = _guess_horizon(series, options, int(np.median(series.lengths)))
    horizon = guess.value
    test = options.test or horizon
    season = _guess_season(series, test, per_series=True)
    rest = series.lengths - part_sizes(series.lengths, test)
    least = min_before_block(season[0].value if season else None)
    room = [int((rest - blocks * horizon >= least).sum()) for blocks in (1, 2, 3)]
    blocks = max(1, sum(2 * count > len(rest) for count in room))
    if sum(room[:blocks]) < min_forecasts:
        return None
    # A history, as usual or shorter, with at least one whole window to learn from for each series on average. A shorter
    # one would suit more series, but on the M1 and M3 monthly series trees that saw 12 months instead of 24 had 7 to
    # 9 % more error on a block before the test sets.
    room_for_history = rest - blocks * horizon - horizon + 1
    histories = range(series.defaults.history, 2, -1)
    enough_windows = (size for size in histories if np.maximum(0, room_for_history - size).sum() >= len(rest))
    history = next(enough_windows, 2)
    # The settings.
    last = "a share of each series" if test < 1 else f"the last {test:,} of each series"
    preprocess = [
        _guess_history(series, history),
        guess,
        split,
        Guess("validation", 0, "none: models are chosen on the blocks of the backtest"),
        Guess("test", test, f"{last}: used only for the scores"),
        *season,
    ]
    enough = f"{room[0]:,} of {len(rest):,} series have room"
    backtest = [
        Guess("windows", blocks, f"blocks to choose models on; {enough}"),
        Guess("size", horizon, "observations in a block: one horizon"),
        Guess("gap", 0, "no gap: a block follows its training set, as the test set does"),
    ]
    return Plan(preprocess, backtest)


def _guess_season(series: Ingested, test: float, per_series: bool) -> list[Guess]:
    """Return the season found before the test set of the longest series.

    If series are split on their own, it is that of most of the 20 longest ones: one of many short series may seem to
    have a season by chance.
    """
    # Search in the first 80 % of a series, before its test set.
    longest = np.argsort(-series.lengths, kind="stable")[: 20 if per_series else 1]
    values = series.table[series.target].to_numpy(np.float64)
    training = []
    held_out = part_sizes(series.lengths, test)[longest]
    for (begin, end), tested in zip(bounds_of(series.lengths)[longest], held_out, strict=True):
        length = end - begin
        training.append(values[begin : begin + max(1, min(int(length * 0.8), length - tested))])
    seasons = [find_season(cells) for cells in training]
    season = max(set(seasons), key=seasons.count)
    if 2 * seasons.count(season) <= len(seasons):
        season = None
    # The usual season of the frequency counts unless one was found that is neither a part nor a multiple of it.
    usual = series.defaults.season
    if usual and 2 * usual <= len(training[0]):
        # A week of hours is a season of its own, as is a year of days.
        multiple = season and not is_finer_than_a_day(series.frequency) and _is_multiple(season, usual)
        if not season or usual % season == 0 or multiple:
            return [Guess("season", usual, f"values in a season, as usual at frequency {series.frequency}")]
    if season and series.frequency == "D" and abs(season - _DAYS_IN_A_YEAR) <= 0.01 * _DAYS_IN_A_YEAR:
        return [Guess("season", _DAYS_IN_A_YEAR, "found: the values repeat each year")]
    if season:
        return [Guess("season", season, "found: the values repeat at this distance")]
    return [Guess("season", 0, "no season found in most of the longest series")] if per_series else []


def _is_multiple(season: int, usual: int) -> bool:
    """Return whether a season, which may be off by 1 %, is a few times the usual one, unlike a year and a week."""
    times = round(season / usual)
    return 1 < times <= _MAX_MULTIPLE and abs(season - times * usual) <= 0.01 * season

"""Proposal for a table with times: the columns of time, series and target, and what to forecast."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.ingest import RESERVED, ingest
from gristmill.domains.timeseries.preprocess import preprocess
from gristmill.domains.timeseries.seasonality import find_season
from gristmill.domains.timeseries.settings import Ingest, Preprocess
from gristmill.errors import DataError
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.covariates import choose_covariates
from gristmill.scaffold.data import Data
from gristmill.scaffold.frequency_defaults import FrequencyDefaults, defaults_of
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.series_column import choose_series, constant_columns
from gristmill.scaffold.shared_guesses import auto_guesses
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import choose_target, unused_notes
from gristmill.scaffold.time_columns import TimeColumns, find_outlier, find_times, gap_ratio
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet

_MIN_TIMES = 12  # three parts with a window each
_MIN_TIMES_FOR_SMALL_PARTS = 200  # fewer times get larger parts
_MIN_FORECASTS = 50  # forecasts in a validation set that do not overlap; with fewer, a backtest is added
_MIN_TRAINING_SHARE = 0.4  # minimum share of the times before the oldest block
_TIME_FORMATS = {"integer": "whole numbers that count the observations", "%Y": "years", "quarter": "quarters"}


@dataclass(frozen=True)
class _Ingested:
    """Results of ingest."""

    frequency: str
    counts: dict[str, int]
    target: str
    table: pd.DataFrame  # all series, with the columns to test as inputs

    @cached_property
    def times(self) -> npt.NDArray[Any]:
        """Different times, sorted."""
        return np.unique(self.table["ds"].to_numpy())

    @property
    def values(self) -> "pd.Series[float]":
        """The target, series by series."""
        return self.table[self.target]

    def before_test(self, test: float) -> pd.DataFrame:
        """Return the rows before a test set of this share of the times."""
        rows: pd.DataFrame = self.table[
            self.table["ds"] < self.times[len(self.times) - max(1, round(test * len(self.times)))]
        ]
        return rows.reset_index(drop=True)


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that forecasts a numeric column."""
    table = read_table(data)
    times = find_times(table)
    series = choose_series(table, times, target)
    constant = constant_columns(table, series) if series else set()
    chosen, why = choose_target(table, target, {*times.columns, *constant}, first=True)
    _check_times(table, times, series)
    roles = [*_time_guesses(times, series), Guess("target", chosen.name, why)]
    used = {*times.columns, chosen.name, *([series.name] if series else [])}
    others = [column for column in table.columns.values() if column.name not in used and column.numbers is not None]
    tested = [column.name for column in others if _can_be_tested(column, chosen, constant)]
    with tempfile.TemporaryDirectory() as name:
        ingested, prepared = Path(name), Path(name, "preprocess")
        prepared.mkdir()
        found = _ingest(table, roles, chosen, tested, ingested)
        windows = _windows(found, defaults_of(found.frequency))
        settings = Preprocess.model_validate(values_of(windows))
        preprocess(preprocess=settings, ingest=ingested, out=prepared)  # raises an error if the series are too short
    ahead = [column.name for column in others if _has_future(column, chosen, times)]
    rows = found.before_test(settings.test)
    covariates = choose_covariates(rows, chosen.name, tested, ahead, settings, found.frequency)
    tables = {
        "source": table.guesses,
        "ingest": [*roles, *covariates.ingest, *_repairs(found)],
        "preprocess": [*windows, *_season(found), *covariates.preprocess],
        "model": auto_guesses("timeseries"),
        "backtest": _backtest(found, settings),
    }
    unused = {column.name: "has empty cells, one value in each series, or a name that ingest uses" for column in others}
    notes = unused_notes(table, used | covariates.names, unused | covariates.unused)
    return Proposal("timeseries", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


def _can_be_tested(column: SampledColumn, target: SampledColumn, constant: set[str]) -> bool:
    """Return whether a column of numbers can be an input: it varies, and has a value wherever the target has one."""
    usable = not column.why_useless and column.name not in constant and column.name not in RESERVED
    return usable and bool(column.cells[target.cells.notna()].notna().all())


def _has_future(column: SampledColumn, target: SampledColumn, times: TimeColumns) -> bool:
    """Return whether a column has values for all times after the end of the target."""
    later = times.values > times.values[target.cells.notna()].max()
    return bool(later.any() and column.cells[later].notna().all())


def _check_times(table: SampledTable, times: TimeColumns, series: SampledColumn | None) -> None:
    """Raise `DataError` if there are too few times or no frequency; ingest checks several series one by one."""
    different = times.values.nunique()
    if different < _MIN_TIMES:
        raise DataError(
            f"{table.rows.name}: {different} times are too few to learn from and test on. Expected {_MIN_TIMES}."
        )
    if outlier := find_outlier(table, times):
        raise DataError(f"{outlier} Fix it, or remove the row.")
    if series is None and gap_ratio(times.values) == float("inf"):
        raise DataError(
            f"{table.rows.name}: the times in {' and '.join(map(repr, times.columns))}, {times.span}, have no regular "
            "distance. Make them regular, such as one row a day (pandas: resample('D').mean())."
        )


def _time_guesses(times: TimeColumns, series: SampledColumn | None) -> list[Guess]:
    columns = times.columns
    guesses = [Guess("time", columns[0] if len(columns) == 1 else list(columns), times.span)]
    if times.time_format:
        why = _TIME_FORMATS.get(times.time_format, "the format that makes the times most regular")
        guesses.append(Guess("time_format", times.time_format, why))
    if series:
        guesses.append(Guess("series", series.name, f"{series.distinct:,} series, each with its own times"))
    return guesses


def _ingest(table: SampledTable, roles: list[Guess], target: SampledColumn, inputs: list[str], out: Path) -> _Ingested:
    """Run ingest with all repairs allowed."""
    repairs = {"duplicates": "mean", "gaps": "interpolate"}
    settings = Ingest.model_validate(values_of(roles) | {"inputs": inputs} | repairs)
    counts = ingest(source=table.source, ingest=settings, out=out, paths=table.files)
    summary = read_document(out / "summary.json")
    return _Ingested(summary["frequency"], counts, target.name, read_parquet(out / "series.parquet"))


def _repairs(found: _Ingested) -> list[Guess]:
    """Return the repairs that ingest needs."""
    guesses = []
    if duplicates := found.counts.get("duplicates"):
        guesses.append(Guess("duplicates", "mean", f'rows that repeat a time: {duplicates:,}; or "first", "last"'))
    if filled := found.counts.get("filled"):
        why = f"values missing at frequency {found.frequency}: {filled:,} of {found.counts['rows']:,}"
        guesses.append(Guess("gaps", "interpolate", f'{why}; or "seasonal", "forward_fill", "drop"'))
    return guesses


def _windows(found: _Ingested, defaults: FrequencyDefaults) -> list[Guess]:
    """Return windows that suit the frequency and fit into each part."""
    count = len(found.times)
    share = 0.2 if count < _MIN_TIMES_FOR_SMALL_PARTS else 0.15
    test = round(share * count)
    horizon = max(1, min(defaults.horizon, test // 4))
    if (1 - found.counts.get("filled", 0) / found.counts["rows"]) ** horizon < 0.5:  # filled values are not forecast
        horizon = 1
    history = max(horizon, 2, min(defaults.history, round(count * (1 - 2 * share) / 4)))
    shorter = "" if history == defaults.history else "fewer than "
    return [
        Guess("history", history, f"values a network sees at frequency {found.frequency}: {shorter}{defaults.name}"),
        Guess("horizon", horizon, "values to forecast: set what you need"),
        Guess("validation", share, f"about {test:,} of {count:,} times: choices are made on it"),
        Guess("test", share, f"the last {test:,}: scored, never trained on"),
    ]


def _season(found: _Ingested) -> list[Guess]:
    """Return the season found before the test set of the longest series."""
    ids = found.table["unique_id"]
    longest = np.asarray(found.values[ids == ids.value_counts().index[0]], np.float64)
    training = longest[: int(len(longest) * 0.8)]
    season, usual = find_season(training), defaults_of(found.frequency).season
    if usual and 2 * usual <= len(training) and (not season or usual % season == 0):
        return [Guess("season", usual, f"values in a season, as usual at frequency {found.frequency}")]
    return [Guess("season", season, "found: the values repeat at this distance")] if season else []


def _backtest(found: _Ingested, settings: Preprocess) -> list[Guess]:
    """Return blocks to choose models on, if the validation set has only a few forecasts that do not overlap."""
    size = round(settings.validation * len(found.times))
    series = found.table["unique_id"].nunique()
    blocks = int((1 - settings.test - _MIN_TRAINING_SHARE) / settings.validation)
    if size // settings.horizon * series >= _MIN_FORECASTS or blocks < 2:
        return []
    why = "blocks before the test set, to choose models on: the validation set is small"
    return [Guess("windows", blocks, why), Guess("size", size, "times in a block")]

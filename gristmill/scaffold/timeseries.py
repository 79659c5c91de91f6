"""Proposal for a table with times: the columns of time, series and target, and what to forecast."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.ingest import ingest
from gristmill.domains.timeseries.preprocess import preprocess
from gristmill.domains.timeseries.seasonality import find_season
from gristmill.domains.timeseries.settings import Ingest, Preprocess
from gristmill.errors import DataError
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.data import Data
from gristmill.scaffold.frequency_defaults import FrequencyDefaults, defaults_of
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.series_column import choose_series, constant_columns
from gristmill.scaffold.shared_guesses import training_guesses
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import choose_target, unused_notes
from gristmill.scaffold.time_columns import TimeColumns, find_outlier, find_times, gap_ratio
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet

_MIN_TIMES = 12  # three parts with a window each
_FEW_TIMES, _MANY_WINDOWS = 200, 20_000  # fewer times get larger parts, more windows fewer epochs
_SHORT_SERIES = 300  # values; too few for a network
_TIME_FORMATS = {"integer": "whole numbers that count the observations", "%Y": "years", "quarter": "quarters"}
_MAX_DRIFTING_RATIO = 0.5  # deviation of the steps / deviation of the values; smaller if a series drifts


@dataclass(frozen=True)
class _Ingested:
    """Results of ingest."""

    frequency: str
    counts: dict[str, int]
    values: "pd.Series[float]"  # of the target, series by series
    ids: "pd.Series[str]"
    times: int  # different ones

    @property
    def is_short(self) -> bool:
        """Return whether this is one short series; from several a network can learn more."""
        return self.counts["rows"] < _SHORT_SERIES and self.ids.nunique() == 1


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that forecasts a numeric column."""
    table = read_table(data)
    times = find_times(table)
    series = choose_series(table, times, target)
    constant = constant_columns(table, series) if series else set()
    chosen, why = choose_target(table, target, {*times.columns, *constant}, first=True)
    _check_times(table, times, series)
    roles = [*_time_guesses(times, series), Guess("target", chosen.name, why)]
    with tempfile.TemporaryDirectory() as name:
        ingested, prepared = Path(name), Path(name, "preprocess")
        prepared.mkdir()
        found = _ingest(table, roles, chosen, ingested)
        defaults = defaults_of(found.frequency)
        windows = _windows(found, defaults)
        settings = Preprocess.model_validate(values_of(windows))
        count = preprocess(preprocess=settings, ingest=ingested, out=prepared)["train_windows"]
    many = count >= _MANY_WINDOWS
    epochs = 20 if many else 100
    training = training_guesses(epochs, f", of {count:,} windows", max(5, epochs // 5), 256 if many else 32, 2e-3)
    tables = {
        "source": table.guesses,
        "ingest": [*roles, *_repairs(found)],
        "preprocess": windows,
        "model": _model(found),
        "train": [] if found.is_short else training,
        "evaluate": _season(found, defaults),
    }
    used = {*times.columns, chosen.name, *([series.name] if series else [])}
    notes = unused_notes(table, used, dict.fromkeys(table.columns, "could be an input: name it in `ingest.inputs`"))
    return Proposal("timeseries", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


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


def _ingest(table: SampledTable, roles: list[Guess], target: SampledColumn, out: Path) -> _Ingested:
    """Run ingest with all repairs allowed."""
    settings = Ingest.model_validate(values_of(roles) | {"duplicates": "mean", "gaps": "interpolate"})
    counts = ingest(source=table.source, ingest=settings, out=out, paths=table.files)
    series, summary = read_parquet(out / "series.parquet"), read_document(out / "summary.json")
    return _Ingested(summary["frequency"], counts, series[target.name], series["unique_id"], series["ds"].nunique())


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
    """Return the table `preprocess`: windows that suit the frequency and fit into each part."""
    share = 0.2 if found.times < _FEW_TIMES else 0.15
    test = round(share * found.times)
    horizon = max(1, min(defaults.horizon, test // 4))
    if (1 - found.counts.get("filled", 0) / found.counts["rows"]) ** horizon < 0.5:  # filled values are not forecast
        horizon = 1
    history = max(horizon, 2, min(defaults.history, round(found.times * (1 - 2 * share) / 4)))
    shorter = "" if history == defaults.history else "fewer than "
    guesses = [
        Guess("history", history, f"values the model sees at frequency {found.frequency}: {shorter}{defaults.name}"),
        Guess("horizon", horizon, "values it forecasts: set what you need"),
        Guess("validation", share, f"about {test:,} of {found.times:,} times: choices are made on it"),
        Guess("test", share, f"the last {test:,}: scored, never trained on"),
    ]
    if _drifts([values[: int(len(values) * (1 - share))] for _, values in found.values.groupby(found.ids)]):
        why = 'the level drifts: windows are relative to their last value; or "none"'
        guesses.append(Guess("normalise", "last", why))
    return guesses


def _drifts(series: "list[pd.Series[float]]") -> bool:
    """Return whether series, without their test set, change little per step but much overall."""
    steps = np.concatenate([np.diff(values) for values in series])
    return bool(steps.std() < _MAX_DRIFTING_RATIO * np.concatenate(series).std())


def _model(found: _Ingested) -> list[Guess]:
    """Return the table `model`.

    Errors of linear and dense on small data of statsmodels: 1.40 and 3.47 (elec_equip, 257 times), 100.7 and 102.1
    (nile, 100), 0.608 and 0.579 (elnino, 61); but 44.0 and 36.0 (grunfeld, 11 series of 20).
    """
    if found.is_short:
        why = "no epochs, hard to beat on few values; for a network: dense, with units = [16]"
        return [Guess("kind", "linear", why)]
    units = [16] if found.times < _FEW_TIMES else [32, 16]
    return [
        Guess("kind", "dense", "or linear (no epochs), rnn, lstm, gru, bidirectional, conv, conv_lstm"),
        Guess("units", units, f"small, for {found.counts['rows']:,} values"),
    ]


def _season(found: _Ingested, defaults: FrequencyDefaults) -> list[Guess]:
    """Return the table `evaluate`: the season of the baseline, found before the test set of the longest series."""
    longest = np.asarray(found.values[found.ids == found.ids.value_counts().index[0]], np.float64)
    training = longest[: int(len(longest) * 0.8)]
    season = find_season(training)
    usual = defaults.season
    if usual and 2 * usual <= len(training) and (not season or usual % season == 0):
        return [Guess("season", usual, f"usual at frequency {found.frequency}")]
    return [Guess("season", season, "found: the values repeat at this distance")] if season else []

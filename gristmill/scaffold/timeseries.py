"""A look at a table with times: which columns are time, series and target, how regular they are, what to forecast."""

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
from gristmill.scaffold.column import Column
from gristmill.scaffold.data import Data
from gristmill.scaffold.frequency_defaults import Rhythm, rhythm_of
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.series_column import names_in, series_of
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import left_out, target_of
from gristmill.scaffold.time_columns import Clock, find_clock, holes, stray_in
from gristmill.scaffold.training_defaults import pace
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet

_LEAST = 12  # times that can be cut into three parts with a window each
_FEW, _MANY = 200, 20_000  # times: below the parts are larger, above epochs are fewer
_SCARCE = 300  # values of one series: below, a network has little to learn from
_TIME_FORMATS = {"integer": "whole numbers that count the observations", "%Y": "years", "quarter": "quarters"}
_STRAYING = 0.5  # deviation of the steps to that of the values: below, a series strays from its mean


@dataclass(frozen=True)
class _Seen:
    """What ingest makes of the series."""

    frequency: str
    counts: dict[str, int]
    values: "pd.Series[float]"  # of the target, series by series
    ids: "pd.Series[str]"
    times: int  # different ones

    @property
    def filled(self) -> int:
        """How many values were missing."""
        return self.counts.get("filled", 0)

    @property
    def scarce(self) -> bool:
        """Whether it is one short series: by several a network learns what each alone cannot teach."""
        return self.counts["rows"] < _SCARCE and self.ids.nunique() == 1

    @property
    def longest(self) -> "pd.Series[float]":
        """The values of the longest series."""
        longest: pd.Series[float] = self.values[self.ids == self.ids.value_counts().index[0]]
        return longest


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that forecasts a column of numbers.

    Raises:
        DataError: there are no times, no numbers, or too few of them.
    """
    table = read_table(data)
    clock = find_clock(table)
    series = series_of(table, clock, target)
    names = names_in(table, series) if series else set()
    chosen, target_why = target_of(table, target, {*clock.columns, *names}, first=True)
    _refuse_irregular(table, clock, series)
    roles = _roles(clock, series, Guess("target", chosen.name, target_why))
    with tempfile.TemporaryDirectory() as folder:
        ingested, prepared = Path(folder, "ingest"), Path(folder, "preprocess")
        ingested.mkdir()
        prepared.mkdir()
        seen = _ingested(table, roles, chosen, ingested)
        rhythm = rhythm_of(seen.frequency)
        windows = _windows(seen, rhythm)
        counts = preprocess(preprocess=Preprocess.model_validate(values_of(windows)), ingest=ingested, out=prepared)
    tables = {
        "source": table.guesses,
        "ingest": [*roles, *_mended(seen)],
        "preprocess": windows,
        "model": _model(seen),
        "train": [] if seen.scarce else _training(counts["train_windows"]),
        "evaluate": _yardsticks(seen, rhythm),
    }
    taken = {*clock.columns, chosen.name, *([series.name] if series else [])}
    notes = left_out(table, taken, "the model may see beside the target: name it in `inputs` of the table `ingest`")
    return Proposal("timeseries", f"{chosen.name} of {data.called}: {table.seen}", tables, notes)


def _refuse_irregular(table: SampledTable, clock: Clock, series: Column | None) -> None:
    """Refuse times that are too few, or at no frequency; those of several series are looked at one by one by ingest."""
    different = clock.times.nunique()
    if different < _LEAST:
        raise DataError(
            f"{table.rows.name}: {different} times are too few to learn from and test on. Expected {_LEAST}."
        )
    if stray := stray_in(table, clock):
        raise DataError(f"{stray} Mend it, or remove the row.")
    if series is None and holes(clock.times) == float("inf"):
        raise DataError(
            f"{table.rows.name}: the times in {' and '.join(map(repr, clock.columns))}, {clock.span}, come at no "
            "regular distance. Make them regular, such as a row a day (pandas: resample('D').mean())."
        )


def _roles(clock: Clock, series: Column | None, target: Guess) -> list[Guess]:
    """Return which columns are what."""
    guesses = [Guess("time", clock.columns[0] if len(clock.columns) == 1 else list(clock.columns), clock.span)]
    if clock.time_format:
        why = _TIME_FORMATS.get(clock.time_format, "of the usual forms the one by which the times are most regular")
        guesses.append(Guess("time_format", clock.time_format, why))
    if series:
        guesses.append(Guess("series", series.name, f"{series.distinct:,} series: each has its own times"))
    return [*guesses, target]


def _ingested(table: SampledTable, roles: list[Guess], target: Column, out: Path) -> _Seen:
    """Return what ingest makes of the table where it may mend whatever it finds."""
    settings = Ingest.model_validate(values_of(roles) | {"duplicates": "mean", "gaps": "interpolate"})
    counts = ingest(source=table.source, ingest=settings, out=out, paths=table.files)
    made, summary = read_parquet(out / "series.parquet"), read_document(out / "summary.json")
    return _Seen(summary["frequency"], counts, made[target.name], made["unique_id"], made["ds"].nunique())


def _mended(seen: _Seen) -> list[Guess]:
    """Return what ingest must be allowed to mend, as far as there is something."""
    guesses = []
    if again := seen.counts.get("duplicates"):
        guesses.append(Guess("duplicates", "mean", f'rows with the time of another: {again:,}; or "first", "last"'))
    if seen.filled:
        why = f"values missing at frequency {seen.frequency}: {seen.filled:,} of {seen.counts['rows']:,}"
        guesses.append(Guess("gaps", "interpolate", f'{why}; or "seasonal", "forward_fill", "drop"'))
    return guesses


def _windows(seen: _Seen, rhythm: Rhythm) -> list[Guess]:
    """Return the table `preprocess`: windows that fit the rhythm, and of which each part holds some."""
    share = 0.2 if seen.times < _FEW else 0.15
    test = round(share * seen.times)
    horizon = max(1, min(rhythm.horizon, test // 4))
    if (1 - seen.filled / seen.counts["rows"]) ** horizon < 0.5:  # what was filled is not forecast: few would be left
        horizon = 1
    history = max(horizon, 2, min(rhythm.history, round(seen.times * (1 - 2 * share) / 4)))
    usual = rhythm.called if history == rhythm.history else f"fewer than {rhythm.called}, for the series is short"
    guesses = [
        Guess("history", history, f"the model sees so many at frequency {seen.frequency}: {usual}"),
        Guess("horizon", horizon, "and forecasts so many: what you need"),
        Guess("validation", share, f"about {test:,} of {seen.times:,} times: choices are made on it"),
        Guess("test", share, f"the last {test:,}: scored, never learnt from"),
    ]
    if _strays([values[: int(len(values) * (1 - share))] for _, values in seen.values.groupby(seen.ids)]):
        guesses.append(Guess("normalise", "last", 'the level strays: windows count from their last value; or "none"'))
    return guesses


def _strays(series: "list[pd.Series[float]]") -> bool:
    """Whether series, shown up to their test part, go from value to value by little of what they differ in all."""
    steps = np.concatenate([np.diff(values) for values in series])
    return bool(steps.std() < _STRAYING * np.concatenate(series).std())


def _model(seen: _Seen) -> list[Guess]:
    """Return the table `model`.

    Errors of linear and dense on small data of statsmodels: 1.40 and 3.47 (elec_equip, 257 times), 100.7 and 102.1
    (nile, 100), 0.608 and 0.579 (elnino, 61); but 44.0 and 36.0 (grunfeld, 11 series of 20).
    """
    if seen.scarce:
        return [Guess("kind", "linear", "no epochs, hard to beat on few values; a network: dense, with units = [16]")]
    units = [16] if seen.times < _FEW else [32, 16]
    return [
        Guess("kind", "dense", "or linear (no epochs), rnn, lstm, gru, bidirectional, conv, conv_lstm"),
        Guess("units", units, f"small, for {seen.counts['rows']:,} values"),
    ]


def _training(windows: int) -> list[Guess]:
    epochs = 100 if windows < _MANY else 20
    return [
        Guess("epochs", epochs, f"at most, of {windows:,} windows"),
        Guess("patience", max(5, epochs // 5), "epochs that validation may not get better"),
        *pace(32 if windows < _MANY else 256, 2e-3),
    ]


def _yardsticks(seen: _Seen, rhythm: Rhythm) -> list[Guess]:
    """Return the table `evaluate`: the season of the baseline, as the values before the test part show it."""
    values = np.asarray(seen.longest, np.float64)
    trained = values[: int(len(values) * 0.8)]
    found = find_season(trained)
    if rhythm.season and 2 * rhythm.season <= len(trained) and (not found or rhythm.season % found == 0):
        return [Guess("season", rhythm.season, f"usual at frequency {seen.frequency}")]
    return [Guess("season", found, "found: the values repeat at this distance")] if found else []

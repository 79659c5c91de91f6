"""Retraining of time series: new and lost data, drift, and the contest of challenger and champion."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gristmill.domains.timeseries import arrivals, plots
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import PARTS, Layout, Prepared
from gristmill.domains.timeseries.data.shifted_times import describe_shift, may_be_time_zone, time_shift
from gristmill.domains.timeseries.data.split import bounds_of, reached
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.forecasts import Array, Forecasts, read_predictions, split_exported
from gristmill.domains.timeseries.predict import anchor_of
from gristmill.domains.timeseries.preprocess import known_ahead, read_series, shifted
from gristmill.domains.timeseries.presets import CLASSICAL
from gristmill.domains.timeseries.scores.score_table import ROOT_METRICS, losses, past_errors
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import diff_rows
from gristmill.retraining.gate import Contest
from gristmill.retraining.series_drift import series_error_drift, series_input_drift
from gristmill.runs.retraining_record import (
    ADDED,
    CHALLENGER,
    CHAMPION,
    CHANGED,
    LOST,
    Champion,
    DataChanges,
    Drift,
    Folders,
    InputDrift,
    LostRows,
    incomparable_error,
)
from gristmill.scores import MODEL, Scores
from gristmill.settings.base import Settings
from gristmill.settings.selection import Auto, Select
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEYS = ["unique_id", "ds"]
_MAX_SERIES_LISTED = 5


class SeriesRetraining(DomainRetraining):
    """Retraining of series: the newest times are new."""

    def overrides(self, tables: Mapping[str, Any]) -> list[str]:
        """Return the settings that a challenger overrides: the judging window is its test set, and it is refit.

        Series that are split per series are judged at the same times: only the newest times are unseen by the champion.
        Short ones are still forecast, by the same candidates.

        Raises:
            RequestError: the judging window is shorter than the horizon.
        """
        window, horizon = tables["gate"].window, tables["preprocess"].horizon
        if window < horizon:
            raise RequestError(
                f"gate.window is {window}, shorter than preprocess.horizon, {horizon}: no forecast fits into it. "
                "Set gate.window to several horizons."
            )
        split = ["preprocess.split=time_short"] if tables["preprocess"].split == "per_series" else []
        return [f"preprocess.test={window}", *split, "export.refit=true"]

    def recovery_tables(self, tables: Mapping[str, Settings], rows: int) -> dict[str, Settings] | None:
        """Return the tables of a pipeline that tries `CLASSICAL` kinds on the newest rows; None if no forecast fits.

        These kinds forecast from the newest values, so that they follow a change although they are fitted before it.
        """
        preprocess: Any = tables["preprocess"]
        if rows < preprocess.horizon:
            return None
        return {
            **tables,
            "model": Auto(kind="auto", preset="none", candidates=CLASSICAL),
            "train": Train(),
            "backtest": Backtest(),
            "select": Select(weights={CLASSICAL[0]: 1.0}),  # the choice is made on the test set, the newest rows
            "preprocess": preprocess.model_copy(update={"test": rows, "validation": preprocess.validation or rows}),
        }

    def new_rows(self, ingest: Path, before: Path | None) -> DataChanges:
        """Compare ingested series with earlier ones (None if there are none).

        Return the number of times after the last earlier one, and the rows added, changed or removed before it.
        """
        now = read_table(ingest / "series.parquet")
        if before is None:
            return DataChanges(later=now["ds"].nunique())
        then = read_table(before / "series.parquet")
        if then["ds"].dtype.kind != now["ds"].dtype.kind:
            raise incomparable_error("the times of the data changed from dates to numbers, or from numbers to dates")
        old = now["ds"] <= then["ds"].max()
        counts = diff_rows(now[old].drop(columns="filled"), then, _KEYS).index.value_counts()

        # A series ends early if it is more than twice as far behind the newest time as before.
        ends, ends_before = (table.groupby("unique_id")["ds"].max() for table in (now, then))
        both = ends.index.intersection(ends_before.index)
        behind, behind_before = (last.max() - last[both] for last in (ends, ends_before))
        ended = both[(behind > 2 * behind_before).to_numpy()]
        return DataChanges(
            later=now.loc[~old, "ds"].nunique(),
            late=counts.get(ADDED, 0),
            revised=counts.get(CHANGED, 0),
            removed=counts.get(LOST, 0),
            added_series=_listed(ends.index.difference(both)),
            ended_series=_listed(ended),
        )

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the observations that differ, as `diff_rows` does; filled values are not observations."""
        tables = [read_table(folder / "series.parquet") for folder in (ingest, before)]
        now, then = (table[~table["filled"]].drop(columns="filled") for table in tables)
        if now["ds"].dtype.kind != then["ds"].dtype.kind:  # dates became numbers, or numbers dates
            now, then = (table.astype({"ds": "str"}) for table in (now, then))
        return diff_rows(now, then, _KEYS[::-1])

    def missing_rows(self, ingest: Path, before: Path) -> LostRows:
        """Count the observations of earlier series that are missing now; filled values are not observations.

        If the rows are missing because all times moved, the result says by how much.
        """
        tables = (read_table(folder / "series.parquet") for folder in (ingest, before))
        now, then = (table[~table["filled"]].drop(columns="filled") for table in tables)
        if now["ds"].dtype.kind != then["ds"].dtype.kind:
            missing, shift = np.ones(len(then), bool), ()
        else:
            missing = (then.merge(now[_KEYS], how="left", on=_KEYS, indicator=True)["_merge"] == "left_only").to_numpy()
            shift = time_shift(now, then) if missing.any() else ()
        series, time = then[_KEYS].iloc[int(missing.argmax())]
        first = f"{str(time).removesuffix(' 00:00:00')} of series {series!r}" if missing.any() else ""
        lost = LostRows(int(missing.sum()), len(then), "rows", first)
        if not shift:
            return lost
        zone = "; set ingest.timezone if the source now uses another time zone" * may_be_time_zone(shift)
        cause = f"all times moved by {describe_shift(shift)}"
        return replace(lost, cause=cause, remedy=zone)

    def broken_rules(self, ingest: Path, before: Path, rules: Any, clock: datetime) -> dict[str, str]:
        return arrivals.broken_rules(ingest, before, rules, clock)

    def draw_arrival(self, ingest: Path, before: Path) -> "list[Figure]":
        now, then = (read_table(folder / "series.parquet") for folder in (ingest, before))
        known = read_document(before / "summary.json")
        columns = [name for name in (*known["targets"], *known["inputs"]) if name in now]
        if now.empty or not columns or now["ds"].dtype.kind != then["ds"].dtype.kind:
            return []
        return [plots.arrival_figure(now, then, columns)]

    def contradicted_rules(self, ingest: Path, rules: Any) -> dict[str, str]:
        return arrivals.contradiction(ingest, rules)

    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Compare the champion's errors and inputs since its training with those before.

        Values are scaled by the mean and deviation of each series' training data. Inputs are means over the series at
        each time, and errors also over targets, one step ahead: those over a longer horizon depend on each other too
        much for a test. They are compared with those on the champion's validation and test set, because the test set
        alone, a judging window, is too short.
        """
        table, trained = (read_table(folder / "series.parquet") for folder in (ingest, champion.folders["ingest"]))
        replay = ChampionReplay.of(champion, ingest, trained)
        data, starts = replay.data, replay.data.origins("test")
        stats = SeriesStats.of(trained, [*data.layout.targets, *data.layout.inputs])
        errors = _errors_over_time(data, starts, np.abs(data.targets(starts) - replay.forecast(starts)), stats)
        grown = series_error_drift([errors], held_out_errors(champion.folders, stats))
        return combine_signs(grown, newest_input_drift(table, trained, stats))

    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> Contest:
        """Return the errors of challenger, baselines and champion on the challenger's test set, in the order of time.

        An error is the mean over horizon and targets, and over all series at the same time, of the loss of the headline
        metric: absolute or squared, and scaled by each series' past for MASE and RMSSE. Its weight is the number of
        these values, so the score is that of evaluate. With `steps`, only so many steps after each origin count.

        The challenger's test set is newer than the champion's training data.
        """
        # 1. Read the forecasts of the challenger and its baselines; forecast with the champion where it can.
        data, rows = dataset.read(challenger["preprocess"]), read_predictions(challenger["evaluate"], "test")
        scores = Scores.read(challenger["evaluate"])
        starts, shape = data.origins("test"), (-1, data.layout.horizon, len(data.layout.targets))
        forecasts = {name: rows[name].to_numpy().reshape(shape) for name in (MODEL, *scores.baselines)}
        kept = np.ones(len(starts), bool)
        if champion is not None:
            trained = read_table(champion.folders["ingest"] / "series.parquet")
            replay = ChampionReplay.of(champion, challenger["ingest"], trained)
            if replay.data.layout.horizon != data.layout.horizon:
                raise incomparable_error(
                    f"the champion forecasts {replay.data.layout.horizon} steps, the challenger {data.layout.horizon}"
                )
            kept = replay.has_history(starts)
            forecasts[CHAMPION] = np.full_like(forecasts[MODEL], np.nan)
            forecasts[CHAMPION][kept] = replay.forecast(starts[kept])

        # 2. Choose the values that count: those with a scale, within the steps, of windows that all can forecast.
        truth = rows["y"].to_numpy().reshape(shape)
        units = past_errors(data, "test", Forecasts(starts, truth))
        lost = {name: losses(truth, forecast, *units)[scores.metric] for name, forecast in forecasts.items()}
        counted = np.broadcast_to(lost[MODEL].counted, truth.shape).copy()
        counted[:, steps:] &= steps is None
        kept &= counted.any(axis=(1, 2))  # constant series have no unit
        if not kept.any():
            raise incomparable_error("no forecast of the judging window has a history as long as the champion needs")

        # 3. Average the losses over all series at the same time.
        times = data.times[starts][kept]
        weights = _by_time(counted[kept].sum(axis=(1, 2)), times)
        errors = {
            name: _by_time(np.where(counted, loss.values, 0.0)[kept].sum(axis=(1, 2)), times) / weights
            for name, loss in lost.items()
        }
        errors[CHALLENGER] = errors.pop(MODEL)
        # Windows of series with other ends may lie between those of the others: then items are closer than a stride.
        in_step = np.bincount(data.series_of(starts[kept])).max() == len(weights)
        block = -(-(steps or data.layout.horizon) // (data.layout.stride if in_step else 1))
        return Contest(scores.metric, errors, block, scores.metric in ROOT_METRICS, weights)

    def newest_time(self, ingest: Path, settings: Any) -> datetime | None:
        if settings.time_format == "integer":
            return None
        return datetime.fromisoformat(read_document(ingest / "summary.json")["last"]).replace(tzinfo=UTC)


def _listed(names: pd.Index) -> str:
    """Return the first names, and the number of others."""
    others = len(names) - _MAX_SERIES_LISTED
    return ", ".join(map(repr, names[:_MAX_SERIES_LISTED])) + (f" and {others:,} others" if others > 0 else "")


class SeriesStats(NamedTuple):
    """Mean and deviation of each series in the training data."""

    mean: pd.DataFrame  # (series, columns)
    deviation: pd.DataFrame  # (series, columns)

    @classmethod
    def of(cls, trained: pd.DataFrame, columns: list[str]) -> "SeriesStats":
        """Return the statistics of columns; a constant series gets the deviation of all."""
        by_series, overall = trained.groupby("unique_id")[columns], trained[columns].std(ddof=0)
        deviation = by_series.std(ddof=0).replace(0.0, np.nan).fillna(overall.where(overall > 0, 1.0))
        return cls(by_series.mean(), deviation)

    def mean_over_series(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the mean over all known series at each time, each standardised by its own mean and deviation."""
        known = table[table["unique_id"].isin(self.mean.index)]
        mean, deviation = (values.loc[known["unique_id"]].to_numpy() for values in self)
        values = (known[list(self.mean.columns)].to_numpy() - mean) / deviation
        return pd.DataFrame(values, columns=self.mean.columns).groupby(known["ds"].to_numpy()).mean()


def newest_input_drift(table: pd.DataFrame, trained: pd.DataFrame, stats: SeriesStats) -> list[InputDrift]:
    """Compare the values since the end of the training data with the training data; return a sign for each column."""
    new = table[table["ds"] > trained["ds"].max()]
    fresh = stats.mean_over_series(new)
    if not len(fresh):
        return []
    # A mean over fewer series varies more, so the series that have ended do not count in the training data either.
    before = stats.mean_over_series(trained[trained["unique_id"].isin(new["unique_id"])])
    return [series_input_drift(name, fresh[name].to_numpy(), before[name].to_numpy()) for name in map(str, before)]


def held_out_errors(champion: Folders, stats: SeriesStats) -> Iterator[Array]:
    """Yield the champion's errors one step ahead on its validation and its test set."""
    data = dataset.read(champion["preprocess"])
    for part in PARTS[1:]:
        starts, rows = data.origins(part), read_predictions(champion["evaluate"], part)
        misses = np.abs((rows["y"] - rows[MODEL]).to_numpy()).reshape(-1, data.layout.horizon, len(data.layout.targets))
        yield _errors_over_time(data, starts, misses, stats)


def _errors_over_time(data: Prepared, starts: Origins, misses: Array, stats: SeriesStats) -> Array:
    """Return the mean error one step ahead at each time, in order, without new series.

    Errors are in each series' own deviations. Series are averaged because events often affect several of them.
    """
    deviation = stats.deviation[data.layout.targets].reindex(data.ids).to_numpy()
    units = deviation[data.series_of(starts)]  # (windows, targets), NaN for a new series
    known = ~np.isnan(units).any(axis=1)
    errors, times = (misses[:, 0] / units).mean(axis=1)[known], data.times[starts][known]
    return _by_time(errors, times) / _by_time(np.ones(len(times)), times)


def _by_time(values: Array, times: pd.Index) -> Array:
    """Return the sum at each time, in order; a NaN counts as infinite, while pandas would skip it."""
    whole = pd.Series(np.where(np.isnan(values), np.inf, values), index=times)
    return np.asarray(whole.groupby(level=0).sum(), np.float64)


class ChampionReplay:
    """An exported model together with ingested series."""

    def __init__(self, export: Path, settings: Any, ingest: Path, last: Any) -> None:
        """Read the verified bundle and arrange the ingested series as its input, `data`.

        `settings` is its table `preprocess`. Observations after `last`, the last time of the training data, are the
        test set. Series with other columns than the model's raise `RequestError`.
        """
        self._signature = read_document(export / "signature.json")
        self._predict = bundle.load(export, self._signature["formats"][0])
        self.data = _prepared(self._signature, settings, ingest, last)

    @classmethod
    def of(cls, champion: Champion, ingest: Path, trained: pd.DataFrame) -> "ChampionReplay":
        """Return the replay of a champion that was trained on a table of series."""
        return cls(champion.folders["export"], champion.tables["preprocess"], ingest, trained["ds"].max())

    def forecast(self, starts: Origins) -> Array:
        """Return the forecasts from some origins, (windows, horizon, targets)."""
        targets = len(self._signature["targets"])
        if not len(starts):
            return np.empty((0, self._signature["horizon"], targets))
        output = self._predict(self.data.histories(starts))
        return split_exported(output, self._signature["quantiles"], targets)[0].astype(np.float64)

    def has_history(self, starts: Origins) -> Any:
        """Return which origins have a history as long as the model's, (windows,) of bool."""
        firsts = self.data.bounds[self.data.series_of(starts), 0]
        return starts - firsts >= (self.data.layout.past or self.data.layout.history)


def _prepared(signature: dict[str, Any], settings: Any, ingest: Path, last: Any) -> Prepared:
    """Return ingested series as the input of a model: on its columns, unscaled, cut at the end of its training data."""
    # Check that the columns are those of the model.
    summary = read_document(ingest / "summary.json")
    for role in ("targets", "inputs"):
        if list(summary[role]) != signature[role]:
            raise incomparable_error(
                f"the champion's {role} are {signature[role]}, those of the data {list(summary[role])}"
            )
    # Arrange the values as its input, with known columns ahead.
    table, ids, lengths = read_series(ingest, summary)
    bounds = bounds_of(lengths)
    known = known_ahead(table, summary, settings, anchor_of(signature))
    channels = table[[*signature["targets"], *signature["inputs"]]].to_numpy()
    values = np.column_stack([channels, shifted(known.to_numpy(), bounds, signature["horizon"])])
    times = pd.Index(table["ds"])
    # Cut the series where its training data ends.
    later = np.unique(times.to_numpy()[times > last])
    cut = reached(times.to_numpy(), bounds, later[:1])[:, 0] if len(later) else bounds[:, 1]
    parts = np.column_stack([bounds[:, 0], cut, cut, cut, cut, bounds[:, 1]]).reshape(-1, 3, 2)
    layout = Layout(
        **{name: signature[name] for name in ("targets", "inputs", "frequency", "history", "horizon")},
        known=list(known.columns),
        stride=settings.stride,
        scale="none",
        normalise="none",
        residual=False,
        mean=[0.0] * values.shape[1],
        deviation=[1.0] * values.shape[1],
        past=signature.get("past"),
    )
    return Prepared(ids, times, values.astype(np.float32), table["filled"].to_numpy(), bounds, parts, layout)


RETRAINING = SeriesRetraining()

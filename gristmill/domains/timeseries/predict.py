"""Predict: forecast the values after the last row of each series with an exported bundle, and describe requests."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.prediction import DATE, Column, Prediction, PredictionRequest, Requests
from gristmill.domains.timeseries import ingest as ingestion
from gristmill.domains.timeseries.data import grid
from gristmill.domains.timeseries.forecasts import forecast_columns, split_exported
from gristmill.domains.timeseries.preprocess import time_features
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError, RequestError, count_of
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.util.table_io import read_document, read_table

logger = logging.getLogger(__name__)

Values = npt.NDArray[np.float32]

_MAX_SERIES_LISTED = 5


class SeriesPrediction(Prediction):
    """Forecasts, from files or from the pipeline's own data."""

    def predict(self, request: PredictionRequest) -> pd.DataFrame:
        """Return the forecasts after the last row of each series: `unique_id`, `ds`, a column per target, quantiles.

        Quantiles, such as `<target> quantile 0.9`, are returned for the model's horizon. Beyond the horizon, forecasts
        are used as observations, inputs stay at their last value, and there are no quantiles.

        Series are ingested from files, unless they are ingested already. Those with fewer than `history` rows are left
        out with a warning. If the model has known columns, they need rows for the `steps` to forecast with these
        columns and without targets. By default both numbers are the model's.

        Raises:
            DataError: a file cannot be read, all series are too short, or values of known columns are missing.
            RequestError: the model does not accept this history.
        """
        # Choose the length of the history.
        bundle, history = request.bundle, request.options.history
        signature = bundle.signature
        seen, least = signature["history"], signature.get("past", signature["history"])
        if history not in (None, seen, least):
            if not signature["any_length"]:
                raise RequestError(f"--history {history}: this model reads a fixed number of values. Omit the option.")
            seen = least = history
        # Ingest the files, unless the data is ingested already.
        if request.ingested is None:
            self.read_source(request.source, request.ingest, request.paths, bundle.path, request.scratch)
        folder, expected = request.ingested or request.scratch, signature["frequency"]
        summary = read_document(folder / "summary.json")
        if summary["frequency"] != expected:
            raise DataError(
                f"the ingested series have frequency {summary['frequency']}, but the model forecasts at {expected}. "
                "Use --input to name rows of that frequency."
            )
        # Forecast after the last rows of each series, in whole horizons.
        ends = LastRows.of(read_table(folder / "series.parquet"), seen, least)
        horizon, steps = signature["horizon"], request.options.steps or signature["horizon"]
        times = ends.times_after(-(-steps // horizon) * horizon, expected)
        known = _known_columns(signature, request.tables["preprocess"], folder, summary["known"], ends, times)
        forecasts = _forecasts(bundle, ends, known, times, steps)
        return forecasts if request.ingest.series else forecasts.drop(columns="unique_id")

    def read_source(self, source: Any, ingest: Any, paths: tuple[Path, ...], export: Path, out: Path) -> bool:
        """Ingest files to forecast from at the frequency of the model; other errors as in `predict`."""
        frequency = read_document(export / "signature.json")["frequency"]
        ingestion.ingest(source=source, ingest=ingest.model_copy(update={"frequency": frequency}), paths=paths, out=out)
        return True


def anchor_of(signature: dict[str, Any]) -> "pd.Timestamp | int":
    """Return the first time of the training data of an exported model."""
    anchor = signature["anchor"]
    return anchor if isinstance(anchor, int) else pd.Timestamp(anchor)


@dataclass(frozen=True)
class LastRows:
    """The last rows of each series, as many as the model sees."""

    names: pd.Index  # (series,)
    rows: pd.DataFrame  # (series * seen,), series after series
    seen: int

    @classmethod
    def of(cls, table: pd.DataFrame, seen: int, least: int) -> "LastRows":
        """Return the last `seen` rows of each ingested series, with NaN before it begins.

        Series with fewer than `least` rows are left out with a warning.

        Raises:
            DataError: no series has that many rows.
        """
        lengths = table.groupby("unique_id", sort=False).size()
        short = lengths < least
        if short.all():
            series = "the series" if len(lengths) == 1 else f"the longest of {len(lengths)} series"
            raise DataError(
                f"{series} has {count_of(lengths.max(), 'rows')}, but the model needs {least}. Add earlier rows."
            )
        if short.any():
            names, rows = lengths.index[short], count_of(least, "rows")
            listed = ", ".join(map(repr, names[:_MAX_SERIES_LISTED])) + ", …" * (len(names) > _MAX_SERIES_LISTED)
            message = "%d of %d series have fewer than %s and no forecast: %s"
            logger.warning(message, len(names), len(lengths), rows, listed)
            table = table[table["unique_id"].isin(lengths.index[~short])]
            lengths = lengths[~short]
        ends = np.cumsum(lengths.to_numpy())[:, np.newaxis]
        positions, firsts = ends + np.arange(-seen, 0), ends - lengths.to_numpy()[:, np.newaxis]
        rows = table.iloc[np.maximum(positions, firsts).ravel()].reset_index(drop=True)
        before = (positions < firsts).ravel()
        if before.any():
            rows.loc[before, rows.columns.difference(["unique_id", "ds", "filled"])] = np.nan
        return cls(lengths.index, rows, seen)

    def by_series(self, rows: pd.DataFrame) -> Values:
        """Return rows as an array by series, (series, rows, columns)."""
        return rows.to_numpy(np.float32).reshape(len(self.names), len(rows) // len(self.names), rows.shape[1])

    def times_after(self, steps: int, frequency: str) -> pd.Index:
        """Return the times of the steps after each series, series after series."""
        numbers, lasts = pd.factorize(self.rows["ds"].iloc[self.seen - 1 :: self.seen])
        first, *more = [grid.after(last, steps, frequency) for last in lasts]
        times: pd.Index = first.append(more).take((numbers[:, np.newaxis] * steps + np.arange(steps)).ravel())
        return times


def _known_columns(
    signature: dict[str, Any], settings: Preprocess, ingested: Path, columns: list[str], ends: LastRows, times: pd.Index
) -> Values:
    """Return the known columns of the last rows and of the steps after them, (series, seen + steps, known)."""
    anchor, frequency = anchor_of(signature), signature["frequency"]
    both = (pd.Index(ends.rows["ds"]), times)
    features = [ends.by_series(time_features(at, settings, anchor, frequency)) for at in both]
    if not columns:
        return np.concatenate(features, axis=1)
    wanted = pd.DataFrame({"unique_id": ends.names.repeat(len(times) // len(ends.names)), "ds": times})
    future = wanted.merge(read_table(ingested / "future.parquet"), how="left", on=["unique_id", "ds"])[columns]
    _check_known(wanted, future)
    recorded = [ends.by_series(ends.rows[columns]), ends.by_series(future)]
    return np.concatenate([np.concatenate(recorded, axis=1), np.concatenate(features, axis=1)], axis=2)


def _check_known(wanted: pd.DataFrame, future: pd.DataFrame) -> None:
    """Raise an error if a known column has no value at a wanted time; rows of both correspond."""
    missing = future.isna().any(axis=1).to_numpy()
    if not missing.any():
        return

    def day(time: Any) -> str:
        return str(time).removesuffix(" 00:00:00")

    times, series = wanted["ds"], wanted["unique_id"].nunique()
    count = len(wanted) // series
    span = f"{count} times, {day(times.min())} to {day(times.max())}" if count > 1 else day(times.min())
    of_all = first = ""
    if series > 1:
        name, time = wanted.iloc[int(missing.argmax())]
        of_all, first = f", of each of {series:,} series", f"; the first missing is {day(time)} of series {name!r}"
    raise DataError(
        f"the model needs {', '.join(map(repr, future.columns))} for {span}{of_all}, and the rows hold "
        f"{len(missing) - missing.sum():,} of these {len(missing):,}{first}. Add rows with these columns filled and "
        "the target empty."
    )


def _forecasts(bundle: LoadedBundle, ends: LastRows, known: Values, times: pd.Index, steps: int) -> pd.DataFrame:
    """Return the forecasts of the steps after the last rows of all series."""
    model, signature, seen, count = bundle.predictor(), bundle.signature, ends.seen, len(ends.names)
    targets, horizon, levels = signature["targets"], signature["horizon"], signature["quantiles"]
    values = ends.by_series(ends.rows[[*targets, *signature["inputs"]]])
    rounded = len(times) // count
    quantiles = np.full((count, rounded, len(targets), len(levels or ())), np.nan, np.float32)
    for at in range(0, rounded, horizon):
        windows = np.concatenate([values[:, at:], known[:, at + horizon : at + horizon + seen]], axis=2)
        points, around = split_exported(model(windows), levels, len(targets))
        inputs = np.repeat(values[:, -1:, len(targets) :], horizon, axis=1)  # inputs stay at their last value
        values = np.concatenate([values, np.concatenate([points, inputs], axis=2).astype(np.float32)], axis=1)
        if at == 0 and around is not None:
            quantiles[:, :horizon] = around
    kept = (np.arange(count)[:, np.newaxis] * rounded + np.arange(steps)).ravel()
    columns = forecast_columns(targets, values[:, seen : seen + steps], levels, quantiles[:, :steps])
    return pd.DataFrame({"unique_id": ends.names.repeat(steps), "ds": times.take(kept), **columns})


class SeriesRequests(Requests):
    """Rows of series with their times; the example has no body, to continue the pipeline's own data."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        signature = bundle.signature
        series = [Column(name, "string", "identifies the series", "a") for name in ingest.series]
        observed = [*signature["targets"], *signature["inputs"]]
        values = [Column(name, "number", "observed value", 1.0) for name in observed]
        known = [Column(name, "number", "known in advance", 1.0) for name in ingest.known]
        about = f"time; at least {signature['history']} rows of each series"
        return [*series, *(Column(name, "string", about, DATE) for name in ingest.time), *values, *known]

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        return None


PREDICTION = SeriesPrediction()
REQUESTS = SeriesRequests(needs_body=False)

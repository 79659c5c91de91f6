"""Predict: the values after a file's last row, by an exported bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill import bundle
from gristmill.errors import DataError, RequestError
from gristmill.tables import read_document, read_table
from gristmill.timeseries import ahead, grid
from gristmill.timeseries import ingest as ingestion
from gristmill.timeseries.intervals import Intervals, restored
from gristmill.timeseries.predictions import levels_of
from gristmill.timeseries.settings import Ingest, Preprocess

Values = npt.NDArray[np.float32]


def predict(
    *,
    source: ingestion.TableSource,
    ingest: Ingest,
    preprocess: Preprocess,
    paths: tuple[Path, ...],
    export: Path,
    scratch: Path,
    steps: int | None = None,
    history: int | None = None,
) -> pd.DataFrame:
    """Return the forecasts after the last row of each series: `unique_id`, `ds`, one column a target, intervals.

    Intervals, `<target> low` and `<target> high`, are given for the model's horizon; beyond it each forecast is fed
    back as if it had been observed, inputs that are not forecast stay at their last value, and no interval is known.

    Args:
        source: how to read the files; the pipeline's own.
        ingest: what their columns mean; the frequency comes from the bundle.
        preprocess: what the model is shown of the calendar.
        paths: files with at least `history` rows of each series and, where the model knows columns ahead, rows for the
            steps to forecast that hold these columns and no value.
        export: folder of the verified bundle.
        scratch: an empty folder for the ingested series.
        steps: how many values to forecast; the model's horizon if not set.
        history: how many values to show the model, where it takes any number.

    Raises:
        DataError: a file cannot be read, is shorter than the model's history, or does not hold what is known ahead.
        RequestError: a history that the model does not take.
    """
    signature = read_document(export / "signature.json")
    if history and history != signature["history"] and not signature["any_length"]:
        raise RequestError(f"--history {history}: this model sees {signature['history']} values, no other number.")
    settings = ingest.model_copy(update={"frequency": signature["frequency"]})
    ingestion.ingest(source=source, ingest=settings, paths=paths, out=scratch)
    seen = history or signature["history"]
    known = Known(signature, preprocess, scratch)
    exported = Exported(export, signature)
    forecasts = [
        exported.after(str(name), series, known, seen, steps or signature["horizon"])
        for name, series in read_table(scratch / "series.parquet").groupby("unique_id", sort=False)
    ]
    made = pd.concat(forecasts, ignore_index=True)
    return made if ingest.series else made.drop(columns="unique_id")


def anchor_of(signature: dict[str, Any]) -> "pd.Timestamp | int":
    """Return the first time of the data that an exported model was fitted on."""
    anchor = signature["anchor"]
    return anchor if isinstance(anchor, int) else pd.Timestamp(anchor)


class Known:
    """What is known of the past and of the steps to forecast: the file's columns, the calendar, harmonics."""

    def __init__(self, signature: dict[str, Any], preprocess: Preprocess, scratch: Path) -> None:
        self._frequency = signature["frequency"]
        self._anchor = anchor_of(signature)
        self._settings = preprocess
        self._columns = read_document(scratch / "summary.json")["known"]
        self._future = read_table(scratch / "future.parquet") if self._columns else None

    def of(self, name: str, series: pd.DataFrame, times: pd.Index) -> Values:
        """Return the known columns of a series at its own times and at those to forecast: (rows, known)."""
        made = ahead.features(pd.Index(series["ds"]).append(times), self._settings, self._anchor, self._frequency)
        if self._future is None:
            return made.to_numpy(np.float32)
        future = self._future[self._future["unique_id"] == name].set_index("ds")[self._columns].reindex(times)
        if future.isna().to_numpy().any():
            first = times[int(future.isna().any(axis=1).to_numpy().argmax())]
            raise DataError(
                f"series {name!r}: {', '.join(map(repr, self._columns))} must be known for all steps to forecast, but "
                f"{first} is missing. Add rows with these columns filled and the target empty."
            )
        own = np.concatenate([series[self._columns].to_numpy(), future.to_numpy()])
        return np.column_stack([own, made.to_numpy()]).astype(np.float32)


class Exported:
    """An exported model that forecasts as far as asked."""

    def __init__(self, export: Path, signature: dict[str, Any]) -> None:
        self._signature = signature
        self._model = bundle.load(export, signature["formats"][0])
        path = export / "intervals.json"
        self._intervals: Intervals | None = restored(read_document(path)) if path.exists() else None

    def after(self, name: str, series: pd.DataFrame, known: Known, seen: int, steps: int) -> pd.DataFrame:
        """Return the forecasts of the steps after a series' last row."""
        signature, targets = self._signature, self._signature["targets"]
        if len(series) < seen:
            raise DataError(
                f"series {name!r}: {len(series)} rows, but the model sees {seen}. Give it at least as many."
            )
        horizon = signature["horizon"]
        rounds = -(-steps // horizon)
        times = grid.after(series["ds"].iloc[-1], rounds * horizon, signature["frequency"])
        beside = known.of(name, series, times)
        values = series[[*targets, *signature["inputs"]]].to_numpy(np.float32)
        low, high = (np.full((len(times), len(targets)), np.nan) for _ in range(2))
        for at in range(rounds):
            window = np.column_stack([values, beside[horizon : len(values) + horizon]])[-seen:]
            points, low_ahead, high_ahead = self._forecast(window)
            values = np.concatenate([values, self._continued(values, points)])
            if at == 0 and low_ahead is not None:
                low[:horizon], high[:horizon] = low_ahead, high_ahead
        columns: dict[str, Any] = {"unique_id": name, "ds": times[:steps]}
        for at, target in enumerate(targets):
            columns[target] = values[len(series) : len(series) + steps, at]
            if not np.isnan(low).all():
                columns |= {f"{target} low": low[:steps, at], f"{target} high": high[:steps, at]}
        return pd.DataFrame(columns)

    def _forecast(self, window: Values) -> tuple[Values, Any, Any]:
        """Return forecast and interval of one window: (horizon, targets) each, None for no interval."""
        made = self._model(window[np.newaxis])
        if quantiles := self._signature["quantiles"]:
            return levels_of(made[0], quantiles)
        if self._intervals is None or len(window) <= self._intervals.lag:  # too short to tell how sure a forecast is
            return made[0], None, None
        half = self._intervals.half_widths(window[np.newaxis])[0]
        return made[0], made[0] - half, made[0] + half

    def _continued(self, values: Values, points: Values) -> Values:
        """Return forecasts as observations: inputs that are not forecast stay at their last value."""
        inputs = np.repeat(values[-1:, points.shape[1] :], len(points), axis=0)
        return np.column_stack([points, inputs]).astype(np.float32)

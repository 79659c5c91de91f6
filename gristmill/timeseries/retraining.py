"""What a retraining asks of time series: what is new, how the champion fares on it, and who forecasts it best."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.drift import look_at_errors, look_at_numbers
from gristmill.freshness import Gate
from gristmill.judgement import Contest
from gristmill.retraining import CHALLENGER, CHAMPION, Drift, News, incomparable
from gristmill.settings import Settings
from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.predictions import Forecasts, read_predictions
from gristmill.timeseries.prepared import MODEL, PARTS, Prepared
from gristmill.timeseries.scoring import past_errors
from gristmill.timeseries.served import Served

Array = npt.NDArray[np.float64]
Folders = Mapping[str, Path]  # of artifacts, by stage

_KEYS = ["unique_id", "ds"]


def overrides(gate: Gate) -> list[str]:
    """Return what a challenger is trained with: the judging window as its test part, and a final refit."""
    return [f"preprocess.test={gate.window}", "export.refit=true"]


def news(ingest: Path, before: Path | None) -> News:
    """Compare ingested series with earlier ones: times after the last one, and rows that came or changed before it.

    Args:
        ingest: folder of the series.
        before: folder of the earlier ones; None if there are none.
    """
    now = read_table(ingest / "series.parquet")
    if before is None:
        return News(later=now["ds"].nunique())
    then = read_table(before / "series.parquet")
    if then["ds"].dtype.kind != now["ds"].dtype.kind:
        raise incomparable("the times of the data are numbers now and were dates before, or the other way round")
    old = now["ds"] <= then["ds"].max()
    both = now[old].merge(then, how="outer", on=_KEYS, suffixes=("", " before"), indicator=True)
    shared = both[both["_merge"] == "both"]
    columns = [name for name in then.columns if name not in (*_KEYS, "filled") and name in now.columns]
    changed = np.zeros(len(shared), bool)
    for name in columns:
        changed |= shared[name].to_numpy() != shared[f"{name} before"].to_numpy()
    return News(
        later=now.loc[~old, "ds"].nunique(),
        late=int((both["_merge"] == "left_only").sum()),
        revised=int(changed.sum()),
        removed=int((both["_merge"] == "right_only").sum()),
    )


def drift(ingest: Path, champion: Folders, tables: Mapping[str, Settings]) -> Drift:
    """Score the champion on what came since it was trained, and compare that with what it was trained on.

    Errors are in deviations of the champion's training part, the mean over horizon and targets. Those they are compared
    with are of its validation and test part: the test part alone, a judging window, is too short to tell what is usual.

    Args:
        ingest: folder of the series.
        champion: folders of its artifacts.
        tables: its settings.
    """
    trained = read_table(champion["ingest"] / "series.parquet")
    served = served_of(ingest, champion, tables, trained)
    data, known = served.data, prepared.read(champion["preprocess"])
    unit = np.array(known.layout.deviation[: len(known.layout.targets)])
    starts = data.origins("test")
    misses = np.abs(data.targets(starts) - served.forecast(starts)) / unit
    table = read_table(ingest / "series.parquet")
    fresh = table[table["ds"] > trained["ds"].max()]
    return Drift(
        errors=look_at_errors(
            _by_series(misses.mean(axis=(1, 2)), data.series_of(starts)),
            _held_out(champion, known, unit),
        ),
        inputs=[
            look_at_numbers(name, fresh[name].to_numpy(), trained[name].to_numpy())
            for name in [*data.layout.targets, *data.layout.inputs]
            if len(fresh)
        ],
    )


def _held_out(champion: Folders, data: Prepared, unit: Array) -> Iterator[Array]:
    """Yield the champion's errors on what it was not fitted on, part by part and series by series."""
    for part in PARTS[1:]:
        starts = data.origins(part)
        rows = read_predictions(champion["evaluate"], part)
        misses = np.abs((rows["y"] - rows[MODEL]).to_numpy().reshape(len(starts), -1, len(unit))) / unit
        yield from _by_series(misses.mean(axis=(1, 2)), data.series_of(starts))


def _by_series(errors: Array, series: npt.NDArray[np.int64]) -> Iterator[Array]:
    yield from (errors[series == number] for number in np.unique(series))


def contest(challenger: Folders, champion: Folders | None, tables: Mapping[str, Settings] | None = None) -> Contest:
    """Return the errors of challenger, baselines and champion on the challenger's test part, in the order of time.

    An error is the mean over horizon and targets, and over all series at the same time: absolute, or scaled by the
    naive error of each series' own past where series or channels of different units are mixed.

    Args:
        challenger: folders of its artifacts; its test part is newer than anything the champion was trained on.
        champion: folders of the champion's artifacts; None without one.
        tables: the champion's settings.
    """
    data = prepared.read(challenger["preprocess"])
    rows = read_predictions(challenger["evaluate"], "test")
    scores = read_document(challenger["evaluate"] / "scores.json")
    starts, shape = data.origins("test"), (-1, data.layout.horizon, len(data.layout.targets))
    made = {name: rows[name].to_numpy().reshape(shape) for name in (MODEL, *scores["baselines"])}
    kept = np.ones(len(starts), bool)
    if champion is not None and tables is not None:
        served = served_of(challenger["ingest"], champion, tables, read_table(champion["ingest"] / "series.parquet"))
        if served.data.layout.horizon != data.layout.horizon:
            raise incomparable(
                f"the champion forecasts {served.data.layout.horizon} steps, the challenger {data.layout.horizon}"
            )
        kept = served.sees(starts)
        made[CHAMPION] = np.full_like(made[MODEL], np.nan)
        made[CHAMPION][kept] = served.forecast(starts[kept])
    truth = rows["y"].to_numpy().reshape(shape)
    metric = scores["headline"]["metric"]
    unit = np.ones_like(truth)
    if metric == "mase":
        naive = past_errors(data, "test", Forecasts(starts, truth), None)[0]
        unit = np.where(naive > 0, naive, np.nan)
    times = data.times[starts]
    errors = {name: np.abs(forecast - truth) / unit for name, forecast in made.items()}
    errors[CHALLENGER] = errors.pop(MODEL)
    return Contest(metric, {name: _over_time(made, times, kept) for name, made in errors.items()}, data.layout.horizon)


def _over_time(errors: Array, times: pd.Index, kept: npt.NDArray[np.bool_]) -> Array:
    """Return the mean error of each time that windows begin at, in order; where there is no unit there is no error."""
    found = pd.Series(np.nanmean(errors[kept], axis=(1, 2)), index=times[kept]).dropna()
    return np.asarray(found.groupby(level=0).mean(), np.float64)


def served_of(ingest: Path, champion: Folders, tables: Mapping[str, Settings], trained: pd.DataFrame) -> Served:
    """Return the champion as it is served, beside series that go on after what it was trained on."""
    settings: Any = tables["preprocess"]
    return Served(champion["export"], settings, ingest, trained["ds"].max())

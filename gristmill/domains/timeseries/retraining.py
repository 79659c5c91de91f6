"""What a retraining asks of time series: what is new, how the champion fares on it, and who forecasts it best."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.champion_replay import Served
from gristmill.domains.timeseries.dataset import MODEL, PARTS, Prepared
from gristmill.domains.timeseries.forecasts import Forecasts, read_predictions
from gristmill.domains.timeseries.score_table import past_errors
from gristmill.domains.timeseries.windows import Origins
from gristmill.errors import RequestError
from gristmill.retraining.drift import combine_signs, series_error_drift, series_input_drift
from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import (
    CHALLENGER,
    CHAMPION,
    Champion,
    DataChanges,
    Drift,
    Folders,
    LostRows,
    incomparable_error,
)
from gristmill.runs.scores import Scores
from gristmill.util.table_io import read_table

Array = npt.NDArray[np.float64]

_KEYS = ["unique_id", "ds"]


def overrides(tables: Mapping[str, Any]) -> list[str]:
    """Return what a challenger is trained with: the judging window as its test part, and a final refit.

    Raises:
        RequestError: no forecast fits into the judging window.
    """
    window, horizon = tables["gate"].window, tables["preprocess"].horizon
    if window < horizon:
        raise RequestError(
            f"gate.window is {window}, shorter than preprocess.horizon, {horizon}: no forecast can be judged in it. "
            "Set several horizons."
        )
    return [f"preprocess.test={window}", "export.refit=true"]


def news(ingest: Path, before: Path | None) -> DataChanges:
    """Compare ingested series with earlier ones: times after the last one, and rows that came or changed before it.

    Args:
        ingest: folder of the series.
        before: folder of the earlier ones; None if there are none.
    """
    now = read_table(ingest / "series.parquet")
    if before is None:
        return DataChanges(later=now["ds"].nunique())
    then = read_table(before / "series.parquet")
    if then["ds"].dtype.kind != now["ds"].dtype.kind:
        raise incomparable_error("the times of the data are numbers now and were dates before, or the other way round")
    old = now["ds"] <= then["ds"].max()
    both = now[old].merge(then, how="outer", on=_KEYS, suffixes=("", " before"), indicator=True)
    shared = both[both["_merge"] == "both"]
    columns = [name for name in then.columns if name not in (*_KEYS, "filled") and name in now.columns]
    changed = np.zeros(len(shared), bool)
    for name in columns:
        changed |= shared[name].to_numpy() != shared[f"{name} before"].to_numpy()
    return DataChanges(
        later=now.loc[~old, "ds"].nunique(),
        late=int((both["_merge"] == "left_only").sum()),
        revised=int(changed.sum()),
        removed=int((both["_merge"] == "right_only").sum()),
    )


def lost(ingest: Path, before: Path) -> LostRows:
    """Count the earlier observations that are missing; one that was filled is none.

    Args:
        ingest: folder of the series.
        before: folder of the earlier ones.
    """
    now, then = (_observed(folder) for folder in (ingest, before))
    missing = np.ones(len(then), bool)
    if now["ds"].dtype.kind == then["ds"].dtype.kind:
        missing = (then.merge(now, how="left", on=_KEYS, indicator=True)["_merge"] == "left_only").to_numpy()
    series, time = then.iloc[int(missing.argmax())]
    first = f"{str(time).removesuffix(' 00:00:00')} of series {series!r}" if missing.any() else ""
    return LostRows(int(missing.sum()), len(then), "rows", first)


def _observed(ingest: Path) -> pd.DataFrame:
    table = read_table(ingest / "series.parquet")
    return table.loc[~table["filled"], _KEYS]


def drift(ingest: Path, champion: Champion) -> Drift:
    """Score the champion on what came since it was trained, and compare that with what it was trained on.

    Everything is in deviations of each series' own training data: errors as means over horizon and targets, inputs as
    means over the series at each time. Errors are compared with those on the champion's validation and test part; the
    test part alone, a judging window, is too short to tell what is usual.

    Args:
        ingest: folder of the series.
        champion: the version that serves.
    """
    table, trained = (read_table(folder / "series.parquet") for folder in (ingest, champion.folders["ingest"]))
    served = _served(ingest, champion, trained)
    columns = [*served.data.layout.targets, *served.data.layout.inputs]
    usual = _usual(trained, columns)
    fresh = _together(table[table["ds"] > trained["ds"].max()], usual)
    before = _together(trained, usual)
    return combine_signs(
        errors=series_error_drift([_new_errors(served, usual)], _held_out(champion.folders, usual)),
        inputs=[
            series_input_drift(name, fresh[name].to_numpy(), before[name].to_numpy()) for name in columns if len(fresh)
        ],
    )


Usual = tuple[pd.DataFrame, pd.DataFrame]  # mean and deviation of each series' columns


def _usual(trained: pd.DataFrame, columns: list[str]) -> Usual:
    """Return means and deviations of each series; one that does not move has the deviation of all."""
    by_series = trained.groupby("unique_id")[columns]
    whole = trained[columns].std(ddof=0)
    return by_series.mean(), by_series.std(ddof=0).replace(0.0, np.nan).fillna(whole.where(whole > 0, 1.0))


def _together(table: pd.DataFrame, usual: Usual) -> pd.DataFrame:
    """Return the mean of all known series at each time, each in its own deviations from its own mean."""
    mean, deviation = usual
    known = table[table["unique_id"].isin(mean.index)]
    ids = known["unique_id"]
    values = (known[list(mean.columns)].to_numpy() - mean.loc[ids].to_numpy()) / deviation.loc[ids].to_numpy()
    return pd.DataFrame(values, columns=mean.columns).groupby(known["ds"].to_numpy()).mean()


def _new_errors(served: Served, usual: Usual) -> Array:
    """Return the champion's errors on what came since it was trained."""
    data, starts = served.data, served.data.origins("test")
    return _errors_over_time(data, starts, np.abs(data.targets(starts) - served.forecast(starts)), usual)


def _held_out(champion: Folders, usual: Usual) -> Iterator[Array]:
    """Yield the champion's errors on what it was not fitted on, part by part."""
    data = dataset.read(champion["preprocess"])
    for part in PARTS[1:]:
        starts, rows = data.origins(part), read_predictions(champion["evaluate"], part)
        misses = np.abs((rows["y"] - rows[MODEL]).to_numpy()).reshape(-1, data.layout.horizon, len(data.layout.targets))
        yield _errors_over_time(data, starts, misses, usual)


def _errors_over_time(data: Prepared, starts: Origins, misses: Array, usual: Usual) -> Array:
    """Return the mean error of the windows that begin at each time, in order; no series that is new.

    Errors are in each series' own deviations. Series are averaged, for what disturbs one often disturbs the others.
    """
    deviation = usual[1][data.layout.targets].reindex(data.ids)
    units = deviation.to_numpy()[data.series_of(starts)]  # (windows, targets), NaN of a series that is new
    known = ~np.isnan(units).any(axis=1)
    return _by_time((misses / units[:, np.newaxis]).mean(axis=(1, 2))[known], data.times[starts][known])


def contest(challenger: Folders, champion: Champion | None) -> Contest:
    """Return the errors of challenger, baselines and champion on the challenger's test part, in the order of time.

    An error is the mean over horizon and targets, and over all series at the same time: absolute, or scaled by the
    naive error of each series' own past where series or channels of different units are mixed.

    Args:
        challenger: folders of its artifacts; its test part is newer than anything the champion was trained on.
        champion: the version that serves; None without one.
    """
    data = dataset.read(challenger["preprocess"])
    rows = read_predictions(challenger["evaluate"], "test")
    scores = Scores.read(challenger["evaluate"])
    starts, shape = data.origins("test"), (-1, data.layout.horizon, len(data.layout.targets))
    made = {name: rows[name].to_numpy().reshape(shape) for name in (MODEL, *scores.baselines)}
    kept = np.ones(len(starts), bool)
    if champion is not None:
        served = _served(challenger["ingest"], champion, read_table(champion.folders["ingest"] / "series.parquet"))
        if served.data.layout.horizon != data.layout.horizon:
            raise incomparable_error(
                f"the champion forecasts {served.data.layout.horizon} steps, the challenger {data.layout.horizon}"
            )
        kept = served.sees(starts)
        made[CHAMPION] = np.full_like(made[MODEL], np.nan)
        made[CHAMPION][kept] = served.forecast(starts[kept])
    truth = rows["y"].to_numpy().reshape(shape)
    naive = past_errors(data, "test", Forecasts(starts, truth), None)[0]
    unit = np.where(naive > 0, naive, np.nan) if scores.metric == "mase" else np.ones_like(truth)
    kept &= ~np.isnan(unit).all(axis=(1, 2))  # a series that never moved has no unit to be judged in
    times = data.times[starts]
    errors = {name: np.abs(forecast - truth) / unit for name, forecast in made.items()}
    errors[CHALLENGER] = errors.pop(MODEL)
    if not kept.any():
        raise incomparable_error("no forecast of the judging window has as long a history as the champion needs")
    counted = ~np.isnan(unit)
    return Contest(
        scores.metric,
        {name: _over_time(made, counted, times, kept) for name, made in errors.items()},
        data.layout.horizon,
    )


def _over_time(errors: Array, counted: npt.NDArray[np.bool_], times: pd.Index, kept: npt.NDArray[np.bool_]) -> Array:
    """Return the mean error of each time that windows begin at, in order, of those values that are counted."""
    sums = np.where(counted, errors, 0.0)[kept].sum(axis=(1, 2)) / counted[kept].sum(axis=(1, 2))
    return _by_time(sums, times[kept])


def _by_time(errors: Array, times: pd.Index) -> Array:
    """Return the mean error at each time, in order; infinite where one is no number, which pandas would leave out."""
    whole = pd.Series(np.where(np.isnan(errors), np.inf, errors), index=times)
    return np.asarray(whole.groupby(level=0).mean(), np.float64)


def _served(ingest: Path, champion: Champion, trained: pd.DataFrame) -> Served:
    """Return the champion as it is served, beside series that go on after what it was trained on."""
    settings: Any = champion.tables["preprocess"]
    return Served(champion.folders["export"], settings, ingest, trained["ds"].max())

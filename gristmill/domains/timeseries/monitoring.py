"""Live scores of forecasts: logged forecasts, compared with the newest ingested data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, read_predictions
from gristmill.domains.timeseries.retraining import SeriesStats, held_out_errors, newest_input_drift
from gristmill.domains.timeseries.scores import metrics
from gristmill.domains.timeseries.scores.score_table import ROOT_METRICS, errors_of_series, losses
from gristmill.monitoring.live_rows import LiveRows, NothingComparable
from gristmill.monitoring.prediction_columns import ANSWERED, BATCH, COVERED, DAY, LEVEL, RUN, SCORE, VERSION
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.series_drift import series_error_drift, series_input_drift
from gristmill.runs.retraining_record import Champion, Drift, Folders
from gristmill.scores import MODEL, Scores
from gristmill.util.table_io import read_table


def truth_column(ingest: Any) -> None:
    """Return None: the truth arrives with the pipeline's data."""


def live_rows(log: pd.DataFrame, truth: Path, champion: Champion, run: str) -> LiveRows:
    """Return logged forecasts, one row for each value, compared with ingested data; `run` made the model that serves.

    Errors are scaled as a retraining scales those of the champion. Steps beyond the horizon have no score, because the
    test set has none for them either.
    """
    data, table = dataset.read(champion.folders["preprocess"]), read_table(truth / "series.parquet")
    rows, targets = _values(log, data, table), data.layout.targets

    # Add the observed value `y`, NaN if it is not known; a filled value is no observation. Values are rounded to
    # float32, as prepared series are, so that errors are those of a replay to the last digit.
    observed = table.loc[~table["filled"], ["unique_id", "ds", *targets]]
    known = observed.melt(["unique_id", "ds"], targets, "channel", "y")
    known["y"] = known["y"].astype(np.float32).astype(np.float64)
    for name in ("channel", "unique_id", "ds"):
        known[name] = known[name].astype(rows[name].dtype)
    rows = rows.merge(known, how="left", on=["unique_id", "ds", "channel"])

    # Score the forecasts in units of each series' past; a new series has none.
    metric = Scores.read(champion.folders["evaluate"]).metric
    true, forecast = (rows[name].to_numpy(np.float64) for name in ("y", "forecast"))
    after_all = np.broadcast_to(data.bounds[:, 1, np.newaxis, np.newaxis], data.parts.shape)  # so all is in the past
    past = errors_of_series(replace(data, parts=after_all), "test")  # (series, 2, targets)
    series = pd.Index(data.ids).get_indexer(pd.Index(rows["unique_id"]))
    channels = pd.Index(targets).get_indexer(pd.Index(rows["channel"]))
    units = np.where((series >= 0)[:, np.newaxis], past[series, :, channels], 0.0)
    loss = losses(true, forecast, units[:, 0], units[:, 1])[metric]
    counted = ~np.isnan(true) & loss.counted & (rows["step"] <= data.layout.horizon).to_numpy()
    broken = np.where(np.isnan(forecast), np.inf, loss.values)  # a forecast that is not a number is not left out

    # Find which values are inside the intervals, and compare the newest forecasts and values with earlier ones.
    low, high = (rows[name].to_numpy(np.float64) for name in ("low", "high"))
    inside = np.where(counted & ~np.isnan(low), metrics.covered(true, low, high), np.nan)
    day = rows["ds"] if rows["ds"].dtype.kind == "M" else rows[ANSWERED].dt.tz_localize(None)
    rows = rows.assign(**{DAY: day, SCORE: np.where(counted, broken, np.nan), COVERED: inside})
    drift = _drift(rows[rows[RUN] == run], table, data, champion.folders)
    return LiveRows(rows, {"series": "unique_id", "channel": "channel"}, drift, metric in ROOT_METRICS)


def _values(log: pd.DataFrame, data: Prepared, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each forecast value: series, time, `channel`, `origin`, `step`, `forecast`, `low`, `high`.

    Of several forecasts of a model from the same origin, the last one is returned.

    Raises:
        RequestError: all forecasts are of other targets.
    """
    if log["ds"].dtype.kind != table["ds"].dtype.kind:  # the data had dates before and has numbers now, or vice versa
        dated = table["ds"].dtype.kind == "M"
        log = log[log["ds"].map(lambda time: isinstance(time, pd.Timestamp) == dated)].infer_objects()
    if "unique_id" not in log:  # a single series
        log = log.assign(unique_id=table["unique_id"].iloc[0])
    times = log.groupby([BATCH, "unique_id"], sort=False)["ds"]
    log = log.assign(origin=times.transform("first"), step=times.cumcount() + 1)
    log = log.drop_duplicates([RUN, "unique_id", "origin", "ds"], keep="last")
    about = log[[BATCH, ANSWERED, VERSION, RUN, "unique_id", "ds", "origin", "step"]]
    values = []
    for target in (target for target in data.layout.targets if target in log):
        own = about.assign(channel=target, forecast=log[target].astype(np.float64), **_interval(log, target))
        values.append(own[own.groupby(BATCH)["forecast"].transform("count") > 0])  # other models had other targets
    if not sum(map(len, values)):
        raise NothingComparable(data.layout.targets[0])
    return pd.concat(values, ignore_index=True)


def _interval(log: pd.DataFrame, target: str) -> dict[str, Any]:
    """Return columns `low` and `high`, the outermost quantiles that each model predicts, and `LEVEL` between them."""
    prefix = f"{target} quantile "
    named = {float(name[len(prefix) :]): name for name in map(str, log) if name.startswith(prefix)}
    if not named:
        return {"low": np.nan, "high": np.nan, LEVEL: np.nan}
    levels = np.array(sorted(named))
    quantiles = log[[named[level] for level in levels]].astype(np.float64)
    predicted = quantiles.notna().groupby(log[RUN]).transform("any").to_numpy()
    first, last = predicted.argmax(axis=1), len(levels) - 1 - predicted[:, ::-1].argmax(axis=1)
    values, rows = quantiles.to_numpy(), np.arange(len(log))
    level = np.where(predicted.any(axis=1), (levels[last] - levels[first]).round(9), np.nan)
    return {"low": values[rows, first], "high": values[rows, last], LEVEL: level}


def _drift(rows: pd.DataFrame, table: pd.DataFrame, data: Prepared, champion: Folders) -> Drift:
    """Compare forecasts and their errors with those on held-out data, and newest values with the training data.

    All are in deviations of each series. Errors are those one step ahead, as in a retraining.
    """
    targets, horizon = data.layout.targets, data.layout.horizon
    trained = read_table(champion["ingest"] / "series.parquet")
    stats = SeriesStats.of(trained, [*targets, *data.layout.inputs])
    near = _standardised(rows[rows["step"] <= horizon], "forecast", stats)
    known = near.assign(miss=((near["y"] - near["forecast"]) / near["deviation"]).abs()).dropna(subset="miss")
    first = known[known["step"] == 1].groupby(["origin", "unique_id"], sort=True)["miss"].agg(["mean", "count"])
    whole = first.loc[first["count"] == len(targets), "mean"]
    tested = _standardised(read_predictions(champion["evaluate"], "test"), MODEL, stats)
    signs = newest_input_drift(table, trained, stats)
    if len(near):
        outputs = {target: (_by_time(near, target), _by_time(tested, target)) for target in targets}
        signs = [*(series_input_drift(f"forecast {name}", *both) for name, both in outputs.items()), *signs]
    errors = whole.groupby(level="origin").mean().to_numpy(np.float64)
    return combine_signs(series_error_drift([errors], held_out_errors(champion, stats)), signs)


def _standardised(rows: pd.DataFrame, name: str, stats: SeriesStats) -> pd.DataFrame:
    """Return rows of known series with `deviation`, and `level`: a column in deviations from each series' mean."""
    for label, values in stats._asdict().items():
        by_channel = values.reset_index().melt("unique_id", var_name="channel", value_name=label)
        rows = rows.merge(by_channel, on=["unique_id", "channel"])
    return rows.assign(level=(rows[name] - rows["mean"]) / rows["deviation"])


def _by_time(rows: pd.DataFrame, target: str) -> Array:
    """Return the mean level over all series and steps at each time, in order."""
    own = rows[rows["channel"] == target]
    return own.groupby("ds")["level"].mean().dropna().to_numpy(np.float64)

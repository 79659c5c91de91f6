"""Evaluate: forecasts beside the baselines', their intervals, and what they say of anomalies and regimes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.common.score_table import scores_by_part
from gristmill.domains.timeseries import anomalies, backtest_scores, change_points, dataset, per_series
from gristmill.domains.timeseries.anomalies import ForecasterOf
from gristmill.domains.timeseries.baseline_forecasts import calibrated, with_intervals
from gristmill.domains.timeseries.dataset import MODEL, Prepared
from gristmill.domains.timeseries.forecasts import (
    Array,
    Forecaster,
    Forecasts,
    as_rows,
    by_network,
    forecast_part,
    levels_of,
)
from gristmill.domains.timeseries.importance import importance_of_channels
from gristmill.domains.timeseries.score_table import score_table
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.domains.timeseries.study import with_season, write_patterns
from gristmill.runs.scores import FILE, summarise
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, write_document, write_table

_SHOWN = ("mae", "rmse", "mape", "mase", "skill", "coverage")  # where there is no room for all


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    backtest: Sequence[Path] = (),
    chunks: Sequence[Path] = (),
) -> dict[str, int]:
    """Forecast every window of the validation and the test part, and score what came out.

    Writes `predictions.parquet` (one row a window, step and target; one column a forecaster), `scores.parquet` (by
    step, series, channel), `scores.json`, `intervals.json`, `anomalies.parquet`, `segments.parquet`, `patterns.json`
    and `decomposition.parquet`; with a backtest `backtest.parquet`, and with more than one feature `importance.json`.

    Args:
        evaluate: which baselines, and the levels of the intervals.
        preprocess: folder of the prepared series.
        train: folder of the trained network.
        out: folder to write to.
        backtest: folders of the backtest's blocks.
        chunks: the folders that `chunk` filled, in their order, if others have looked at the series by themselves.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    quantiles = read_document(train / "training.json")["quantiles"]
    level = quantiles[-1] - quantiles[0] if quantiles else evaluate.level
    settings = with_season(evaluate, data)
    found = per_series.read(chunks, data) if chunks else per_series.look(data, settings)
    made = forecast_parts(data, network, found.baselines, quantiles)
    blocks = backtest_scores.read_blocks(data, backtest)
    calibration = backtest_scores.pooled(blocks) if blocks else made.get("validation")
    calibrated_on = "backtest" if blocks else "validation" if calibration else None
    if calibration and not quantiles:
        half_widths = calibrated(calibration, data, settings, level)
        fresh = [part for part in made if part != calibrated_on]  # where coverage is no matter of course
        made |= {part: with_intervals(made[part], data, half_widths) for part in fresh}
        write_document(out / "intervals.json", half_widths.document())
    table = pd.concat([score_table(data, part, forecasts, settings.season, level) for part, forecasts in made.items()])
    rows = [as_rows(data, forecasts, part=part) for part, forecasts in made.items()]
    write_table(out / "predictions.parquet", pd.concat(rows, ignore_index=True))
    write_table(out / "scores.parquet", table)
    summary = summarised(table) | {"level": level, "calibrated_on": None if quantiles else calibrated_on}
    if blocks:
        judged = backtest_scores.score_blocks(blocks, evaluate, level)
        write_table(out / "backtest.parquet", judged)
        summary["backtest"] = backtest_scores.summarised(judged)
    if calibration:
        summary["anomalies"] = look_for_anomalies(data, by_median(network, quantiles), calibration, settings, out)
    summary["segments"] = look_for_changes(data, found.segments, settings.season, out)
    write_patterns(data, settings.season, out)
    write_document(out / FILE, summary)
    metric = summary["headline"]["metric"]
    if weighed := importance_of_channels(data, network, metric, settings.season, quantiles):
        write_document(out / permutation_importance.IMPORTANCE_FILE, weighed)
    return {f"{part}_windows": len(forecasts.starts) for part, forecasts in made.items()}


def chunks(*, evaluate: Evaluate, preprocess: Path) -> int:
    """Return in how many stretches the series can be looked at by themselves; arguments as of `evaluate`."""
    _, bounds, _ = dataset.read_parts(preprocess)
    return len(per_series.cut(bounds, len(read_document(preprocess / "layout.json")["targets"])))


def chunk(*, evaluate: Evaluate, preprocess: Path, number: int, out: Path) -> dict[str, int]:
    """Look at a stretch of the series; arguments as of `evaluate`."""
    data = dataset.read(preprocess)
    stretch = per_series.cut(data.bounds, len(data.layout.targets))[number]
    per_series.write(per_series.look(data, with_season(evaluate, data), stretch), out)
    return {"series": stretch.stop - stretch.start}


def forecast_parts(
    data: Prepared,
    network: keras.Model,
    simple: dict[str, dict[str, Array]],
    quantiles: list[float] | None,
) -> dict[str, Forecasts]:
    """Return the forecasts of each part by the model, with those of the baselines beside them."""
    by_model = {part: forecast_part(data, part, network, quantiles) for part in simple}
    return {part: replace(own, made=own.made | simple[part]) for part, own in by_model.items()}


def by_median(network: keras.Model, quantiles: list[float] | None) -> ForecasterOf:
    """Return a function from series to the network's forecaster, which gives the median where it learned quantiles."""

    def of(series: Prepared) -> Forecaster:
        forecast = by_network(network, series)
        return lambda starts: levels_of(forecast(starts), quantiles)[0]

    return of


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Return `model.<part>.<metric>`, `baselines.<name>.<part>.<metric>`, the best baseline and the headline.

    The headline is the mean absolute error, or the scaled one where series or channels of different units are mixed.
    """
    scored = scores_by_part(table)
    mixed = table["by"].isin(["series", "channel"]).any()
    metric = "mase" if mixed and scored[MODEL]["test"]["mase"] is not None else "mae"
    shown = [name for name in _SHOWN if name in scored[MODEL]["test"]]
    for name, by_part in scored.items():
        if name != MODEL:
            scored[name] = {part: point_scores(values) for part, values in by_part.items()}
    return summarise(scored, metric, shown)


def point_scores(values: dict[str, Any]) -> dict[str, Any]:
    """Return the scores that a forecaster without intervals has."""
    return {name: value for name, value in values.items() if name not in ("pinball", "coverage", "width")}


def look_for_anomalies(
    data: Prepared, forecaster: ForecasterOf, calibration: Forecasts, settings: Evaluate, out: Path
) -> dict[str, Any]:
    """Write the flagged values of the test part, and return how many there are and how well injected ones are found."""
    wide = calibrated(calibration, data, settings, settings.anomaly_level)
    flagged = anomalies.flag(data, "test", forecaster, wide)
    write_table(out / "anomalies.parquet", flagged)
    error = float(np.abs(calibration.truth - calibration.made[MODEL])[:, 0, 0].mean())
    return {
        "level": settings.anomaly_level,
        "flagged": len(flagged),
        "spikes": anomalies.score_spikes(data, "test", forecaster, wide, error),
    }


def look_for_changes(data: Prepared, segments: pd.DataFrame, season: int | None, out: Path) -> dict[str, Any]:
    """Write the regimes of the series, and return how well an injected change is found in the longest."""
    write_table(out / "segments.parquet", segments)
    begin, end = data.bounds[int(np.diff(data.bounds).argmax())]
    return {
        "found": len(segments),
        "shifts": change_points.score_changes(data.values[begin:end, 0].astype(np.float64), season, 0),
    }

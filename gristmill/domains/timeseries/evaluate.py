"""Evaluate: forecast each part, compare with baselines, calibrate intervals, find anomalies and change points."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.common.score_table import scores_by_part
from gristmill.domains.timeseries import anomalies, backtest_scores, dataset, per_series
from gristmill.domains.timeseries.baseline_forecasts import calibrated, with_intervals
from gristmill.domains.timeseries.decomposition import with_season, write_patterns
from gristmill.domains.timeseries.forecasts import as_rows, by_network, forecast_part, levels_of
from gristmill.domains.timeseries.importance import importance_of_channels
from gristmill.domains.timeseries.score_table import score_table
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL, summarise
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, write_document, write_table

_HEADLINE_METRICS = ("mae", "rmse", "mape", "mase", "skill", "coverage")  # metrics to show if space is limited
_INTERVAL_METRICS = ("pinball", "coverage", "width")


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    backtest: Sequence[Path] = (),
    chunks: Sequence[Path] = (),
) -> dict[str, int]:
    """Forecast every window of the validation and the test set, and score the forecasts.

    Writes `predictions.parquet` (one row for each window, step and target; one column for each forecaster),
    `scores.parquet` (by step, series and channel), `scores.json`, `intervals.json`, `anomalies.parquet`,
    `segments.parquet`, `patterns.json` and `decomposition.parquet`; with a backtest `backtest.parquet`, and with more
    than one feature `importance.json`.

    `backtest` has the folders of the backtest's blocks; `chunks` has those written by `chunk`, in order, if the series
    were analysed in chunks.
    """
    network = saved_network.read(train)
    data = dataset.read(preprocess).seen_by(network)
    quantiles = read_document(train / "training.json")["quantiles"]
    level = quantiles[-1] - quantiles[0] if quantiles else evaluate.level
    settings = with_season(evaluate, data)
    baselines, segments = per_series.read(chunks, data) if chunks else per_series.analyse(data, settings)
    by_model = {part: forecast_part(data, part, network, quantiles) for part in baselines}
    forecasts = {part: replace(own, by_name=own.by_name | baselines[part]) for part, own in by_model.items()}
    blocks = backtest_scores.read_blocks(data, backtest)
    calibration = backtest_scores.pooled(blocks) if blocks else forecasts.get("validation")
    calibrated_on = "backtest" if blocks else "validation" if calibration else None
    if calibration and not quantiles:
        half_widths = calibrated(calibration, data, settings, level)
        for part in forecasts:
            if part != calibrated_on:  # on the calibration data, coverage is trivial
                forecasts[part] = with_intervals(forecasts[part], data, half_widths)
        write_document(out / "intervals.json", half_widths.document())
    table = pd.concat([score_table(data, part, own, settings.season, level) for part, own in forecasts.items()])
    rows = [as_rows(data, own, part=part) for part, own in forecasts.items()]
    write_table(out / "predictions.parquet", pd.concat(rows, ignore_index=True))
    write_table(out / "scores.parquet", table)
    summary = summarised(table) | {"level": level, "calibrated_on": None if quantiles else calibrated_on}
    if blocks:
        of_blocks = backtest_scores.score_blocks(blocks, evaluate, level)
        write_table(out / "backtest.parquet", of_blocks)
        summary["backtest"] = backtest_scores.summarised(of_blocks)
    if calibration:
        wide = calibrated(calibration, data, settings, settings.anomaly_level)
        flagged = anomalies.flag(
            data, "test", lambda series, starts: levels_of(by_network(network, series, starts), quantiles)[0], wide
        )
        write_table(out / "anomalies.parquet", flagged)
        summary["anomalies"] = {"level": settings.anomaly_level, "flagged": len(flagged)}
    write_table(out / "segments.parquet", segments)
    summary["segments"] = {"found": len(segments)}
    write_patterns(data, settings.season, out)
    write_document(out / FILE, summary)
    metric = summary["headline"]["metric"]
    if importance := importance_of_channels(data, network, metric, settings.season, quantiles):
        write_document(out / permutation_importance.IMPORTANCE_FILE, importance)
    return {f"{part}_windows": len(own.starts) for part, own in forecasts.items()}


def chunks(*, evaluate: Evaluate, preprocess: Path) -> int:
    """Return the number of chunks in which the series can be analysed; arguments as in `evaluate`."""
    _, bounds, _ = dataset.read_parts(preprocess)
    return len(per_series.chunk_slices(bounds, len(read_document(preprocess / "layout.json")["targets"])))


def chunk(*, evaluate: Evaluate, preprocess: Path, number: int, out: Path) -> dict[str, int]:
    """Analyse one chunk of the series; arguments as in `evaluate`."""
    data = dataset.read(preprocess)
    series = per_series.chunk_slices(data.bounds, len(data.layout.targets))[number]
    per_series.write(*per_series.analyse(data, with_season(evaluate, data), series), out)
    return {"series": series.stop - series.start}


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Return the content of `scores.json` (`gristmill/runs/scores.py`).

    The headline metric is the MAE, or MASE if there are several series or channels, whose units may differ.
    """
    scored = scores_by_part(table)
    mixed = table["by"].isin(["series", "channel"]).any()
    metric = "mase" if mixed and scored[MODEL]["test"]["mase"] is not None else "mae"
    shown = [name for name in _HEADLINE_METRICS if name in scored[MODEL]["test"]]
    for name, by_part in scored.items():
        if name != MODEL:  # baselines have no intervals
            scored[name] = {
                part: {key: value for key, value in values.items() if key not in _INTERVAL_METRICS}
                for part, values in by_part.items()
            }
    return summarise(scored, metric, shown)

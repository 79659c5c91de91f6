"""Evaluate: forecast each part, compare with baselines, calibrate intervals, find anomalies and change points."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.common.candidates import CandidateArtifacts, missing_baselines, read_selection, succeeded
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.common.selection import summary_of
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.forecasts import MEDIAN, VALIDATION, Array, Forecasts, by_network, split_quantiles
from gristmill.domains.timeseries.intervals.calibration import calibrated, with_intervals
from gristmill.domains.timeseries.intervals.quantiles import INTERVALS_FILE, Intervals
from gristmill.domains.timeseries.models.naive import SeasonalNaive
from gristmill.domains.timeseries.part_forecasts import PartForecasts, forecasts_of
from gristmill.domains.timeseries.patterns import anomalies, change_points
from gristmill.domains.timeseries.patterns.decomposition import write_patterns
from gristmill.domains.timeseries.patterns.longer_season import LongerSeasonalNaive, longer_season
from gristmill.domains.timeseries.scores import backtest_scores
from gristmill.domains.timeseries.scores.score_table import (
    ROOT_METRICS,
    is_sparse,
    losses,
    past_errors,
    write_forecasts,
)
from gristmill.domains.timeseries.scores.score_warnings import leak_warnings, score_warnings
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.scores import FILE, MODEL, scores_by_part, summarise
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, write_document, write_table

_HEADLINE_METRICS = ("mae", "rmse", "mase", "wql", "skill", "coverage")  # metrics to show if space is limited
_MAX_SERIES_SEARCHED = 1_000  # for change points and anomalies; of more series, an evenly spread sample is searched


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    candidates: Mapping[str, CandidateArtifacts] = MappingProxyType({}),
    backtest: Sequence[Path] = (),
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Forecast every window of the validation and the test set, and score the forecasts.

    Writes `predictions.parquet` (one row for each window, step and target; one column for each forecaster),
    `scores.parquet` (by step, series and channel), `scores.json`, `intervals.json`, `anomalies.parquet`,
    `segments.parquet`, `patterns.json` and `decomposition.parquet`; with a backtest `backtest.parquet`, and with more
    than one feature `importance.json`.

    `train` is the folder of the model, or of the one that select made of `candidates`. `backtest` has the folders of
    the backtest's blocks. The time that each candidate takes for a forecast is added to `microseconds`.
    """
    network = saved_network.read(train)
    data = dataset.read(preprocess).seen_by(network)
    learned = read_document(train / "training.json")["quantiles"]
    levels = tuple(learned or evaluate.levels)
    max_history = data.layout.history if network.input_shape[1] is None else None
    usable, baselines = succeeded(candidates), baselines_to_fit(data, evaluate.baselines, candidates)
    networks = [name for name, candidate in usable.items() if not candidate.is_baseline]
    measured = {} if microseconds is None else microseconds

    # 1. Prepare the forecasters of each part, and read the blocks of the backtest.
    parts = {
        part: forecasts_of(data, part, network, train, usable, baselines, measured)
        for part in ("validation", "test")
        if len(data.origins(part))
    }
    counts = {f"{part}_windows": len(own.starts) for part, own in parts.items()}
    if selection := read_selection(train):
        weights = {member["name"]: member["weight"] for member in selection["members"]}
        blocks = backtest_scores.blocks_of_candidates(data, usable, weights)
    else:
        blocks = backtest_scores.read_blocks(data, backtest)
    blocks = [backtest_scores.with_baselines(block, baselines) for block in blocks]

    # 2. Calibrate the intervals, and write and score the forecasts with them.
    calibration, forecasts = _calibrated(parts, blocks, data, levels, max_history, evaluate.anomaly_level)
    del parts  # forecasts of the validation set; from here on, a block at a time is in memory
    if calibration and not learned:
        write_document(out / INTERVALS_FILE, calibration.intervals.document())
    table = write_forecasts(data, forecasts, out)
    scored, level = scores_by_part(table), round(levels[-1] - levels[0], 9)
    mixed, warnings = len(data.ids) > 1 or len(data.layout.targets) > 1, score_warnings(data, scored, level)
    summary = summarised(table, summary_of(train), networks, mixed, is_sparse(data), warnings)
    summary |= {"level": level, "calibrated_on": calibration.on if calibration and not learned else None}

    # 3. Score the blocks of the backtest, each calibrated on the others.
    if blocks:
        by_block = backtest_scores.score_blocks(blocks, levels, max_history)
        write_table(out / "backtest.parquet", by_block)
        summary["backtest"] = backtest_scores.summarised(by_block)

    # 4. Find anomalies, change points and patterns.
    searched = data.sampled(_MAX_SERIES_SEARCHED)
    if calibration:

        def forecast(series: Prepared, starts: Origins) -> Array:
            return np.asarray(split_quantiles(by_network(network, series, starts), learned)[0])

        flagged = anomalies.flag(searched, "test", forecast, calibration.wide)
        write_table(out / "anomalies.parquet", flagged)
        summary["anomalies"] = {"level": evaluate.anomaly_level, "flagged": len(flagged), "series": len(searched.ids)}
    segments = _segments(searched)
    write_table(out / "segments.parquet", segments)
    write_patterns(data, out)

    # 5. Measure the importance of the features on data that the network was not fitted on.
    metric, fitted_later = summary["headline"]["metric"], (train / VALIDATION).exists()
    unseen = "validation" if "validation_windows" in counts and not fitted_later else "test"
    if importance := importance_of_channels(data, network, metric, learned, unseen):
        write_document(out / permutation_importance.IMPORTANCE_FILE, importance)
        compared = {name: by_part for name, by_part in scored.items() if name not in networks}
        if questions := [*leak_warnings(data, compared, importance)]:
            summary["warnings"] = [*summary.get("warnings", []), *questions]
    write_document(out / FILE, summary | {"segments": {"found": len(segments), "series": len(searched.ids)}})
    return counts


def baselines_to_fit(
    data: Prepared, baselines: Sequence[Any], candidates: Mapping[str, CandidateArtifacts]
) -> list[Any]:
    """Return the baselines that are not among the candidates, with the naive forecast of a longer season, if any.

    Without it, a model that knows the week would be compared only with a naive forecast that repeats the day.
    """
    season = longer_season(data)
    if season and SeasonalNaive(kind="seasonal_naive", season=season) not in baselines:
        baselines = [*baselines, LongerSeasonalNaive(kind="seasonal_naive", season=season)]
    return missing_baselines(baselines, candidates)


@dataclass(frozen=True)
class Calibration:
    """Intervals of the model."""

    on: str  # the data they are calibrated on: "backtest" or "validation"
    intervals: Intervals
    wide: Intervals  # outside of which values are anomalies


def _calibrated(
    parts: Mapping[str, PartForecasts],
    blocks: Sequence[backtest_scores.Block],
    data: Prepared,
    levels: Sequence[float],
    max_history: int | None,
    anomaly_level: float,
) -> tuple[Calibration | None, dict[str, Iterator[Forecasts]]]:
    """Return the intervals of the model, if there is data to calibrate them on, and the forecasts of all parts.

    These have quantiles, except in the part they are calibrated on, where coverage is trivial.
    """
    forecasts = {part: own.blocks() for part, own in parts.items()}
    if blocks:
        on, whole = "backtest", backtest_scores.pooled(blocks)
    elif "validation" in parts:
        on, whole = "validation", parts["validation"].forecasts()
        forecasts["validation"] = parts["validation"].blocks(whole)
    else:
        return None, forecasts
    intervals = calibrated(whole, data, levels, max_history)
    for part in forecasts.keys() - {on}:
        forecasts[part] = map(partial(with_intervals, data=data, intervals=intervals), forecasts[part])
    of_model = replace(whole, by_name={MODEL: whole.by_name[MODEL]})
    wide = calibrated(of_model, data, ((1 - anomaly_level) / 2, MEDIAN, (1 + anomaly_level) / 2), max_history)
    return Calibration(on, intervals[MODEL], wide[MODEL]), forecasts


def _segments(data: Prepared) -> pd.DataFrame:
    """Return the segments between the change points of the first target, of all series."""
    rows = []
    for name, (begin, end) in zip(data.ids, data.bounds, strict=True):
        for segment in change_points.segments(data.values[begin:end, 0].astype(np.float64), data.layout.season):
            first, last = data.times[[begin + segment.begin, begin + segment.end - 1]]
            rows.append({"unique_id": name} | asdict(segment) | {"begin": first, "end": last})
    return pd.DataFrame(rows)


def summarised(
    table: pd.DataFrame,
    selected: Mapping[str, Any] | None = None,
    others: Sequence[str] = (),
    mixed: bool = False,
    sparse: bool = False,
    warnings: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the content of `scores.json` (`gristmill/scores.py`).

    The headline metric is the MAE, or MASE if there are several series or channels (`mixed`), whose units may differ.
    If most values are 0, it is the RMSE or RMSSE, because 0 has the smallest absolute error.
    """
    scored = scores_by_part(table)
    plain, scaled = ("rmse", "rmsse") if sparse else ("mae", "mase")
    metric = scaled if mixed and scored[MODEL]["test"][scaled] is not None else plain
    shown = [scaled if name == "mase" else name for name in _HEADLINE_METRICS if name in scored[MODEL]["test"]]
    return summarise(scored, metric, shown, selected=selected, others=others, warnings=warnings)


def importance_of_channels(
    data: Prepared, network: keras.Model, metric: str, levels: Sequence[float] | None, part: str = "validation"
) -> dict[str, Any] | None:
    """Return the permutation importance of features (`features_of`); None for a single feature or without an error.

    A feature is shuffled as a whole among the windows of a part, on which the network was not fitted: each window gets
    the values of another window for all steps.
    """
    features = features_of(data.layout)
    if len(features) < 2:
        return None
    # Read a sample of the windows, and the units of their errors.
    starts = data.origins(part)
    starts = starts[sample_positions(len(starts), permutation_importance.MAX_EXAMPLES)]
    windows, truth = data.histories(starts), data.targets(starts).astype(np.float64)
    units = past_errors(data, part, Forecasts(starts, truth))
    block = -(-data.layout.horizon // data.layout.stride)  # windows that overlap

    # Measure the loss of each window when a feature is shuffled.
    def losses_of(feature: str, orders: permutation_importance.Orders) -> npt.NDArray[np.float64]:
        columns, of_orders = features[feature], []
        for order in orders:
            shuffled = windows.copy()
            shuffled[:, :, columns] = windows[:, :, columns][order]
            predicted = saved_network.predict_in_batches(network, shuffled).astype(np.float64)
            loss = losses(truth, split_quantiles(predicted, levels)[0], *units)[metric]
            counted = np.broadcast_to(loss.counted, truth.shape)
            of_windows = np.where(counted, loss.values, 0.0).sum(axis=(1, 2))
            of_orders.append(of_windows * len(starts) / (counted.sum() or np.nan))  # the mean is that of counted values
        return np.stack(of_orders)

    ranking = permutation_importance.importance(features, losses_of, len(starts), block, metric in ROOT_METRICS)
    if math.isnan(ranking["error"]):  # a scaled metric of series that are constant before the part
        return None
    return {"part": part, "metric": metric, "of": "windows"} | ranking


def features_of(layout: Layout) -> dict[str, list[int]]:
    """Return the columns of each feature: history of a target, input, known column, calendar part, or all harmonics."""
    features: dict[str, list[int]] = {}
    # `preprocess.py` names calendar parts and harmonics
    known = [re.sub(r"^(hour|weekday|month) \d+$", r"\1", name) for name in layout.known]
    known = ["harmonics" if re.fullmatch(r".+ (sin|cos) \d+", name) else name for name in known]
    for column, name in enumerate([*(f"history of {name}" for name in layout.targets), *layout.inputs, *known]):
        features.setdefault(name, []).append(column)
    return features

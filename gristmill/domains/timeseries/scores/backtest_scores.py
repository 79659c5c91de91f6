"""Scores of a backtest's blocks, their mean and spread, and residuals for calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Forecasts, read_quantiles
from gristmill.domains.timeseries.intervals.calibration import calibrated, with_intervals
from gristmill.domains.timeseries.part_forecasts import baseline_forecasts
from gristmill.domains.timeseries.scores.score_table import PartScores
from gristmill.scores import MODEL
from gristmill.util.table_io import read_document, read_table

LABELS = ("window", "seed", "begin", "end", "forecaster")  # columns that are not metrics


@dataclass(frozen=True)
class Block:
    """Forecasts of one block by one network."""

    window: int
    seed: int
    data: Prepared  # with the block as its test set
    forecasts: Forecasts


def read_blocks(data: Prepared, folders: Sequence[Path]) -> list[Block]:
    """Read the blocks written by `backtest`."""
    blocks = []
    for folder in folders:
        labels, table = read_document(folder / "block.json"), read_table(folder / "predictions.parquet")
        _, _, parts = dataset.read_parts(folder)
        cut = data.cut_at(parts)
        starts = cut.origins("test")
        truth = cut.targets(starts).astype(np.float64)
        model = table[MODEL].to_numpy().reshape(truth.shape)
        forecasts = Forecasts(starts, truth, {MODEL: model}, *read_quantiles(table, truth.shape))
        blocks.append(Block(labels["window"], labels["seed"], cut, forecasts))
    return blocks


def blocks_of_candidates(
    data: Prepared, candidates: Mapping[str, CandidateArtifacts], weights: Mapping[str, float]
) -> list[Block]:
    """Return the blocks of all candidates together, with the weighted average of the members as the model."""
    read = {name: read_blocks(data, candidate.backtest) for name, candidate in candidates.items()}
    blocks = []
    for same in zip(*read.values(), strict=True):  # one block, forecast by each candidate
        by_name = {name: block.forecasts.by_name[MODEL] for name, block in zip(read, same, strict=True)}
        starts, truth = same[0].forecasts.starts, same[0].forecasts.truth
        forecasts = Forecasts(starts, truth, {MODEL: weighted_average(by_name, weights)} | by_name)
        blocks.append(replace(same[0], forecasts=forecasts))
    return blocks


def with_baselines(block: Block, baselines: Sequence[Any]) -> Block:
    """Return a block with the forecasts of baselines, fitted on the data before it."""
    by_name = block.forecasts.by_name
    others = baseline_forecasts(block.data, "test", baselines, reserved_names=by_name)
    return replace(block, forecasts=replace(block.forecasts, by_name=by_name | others))


def pooled(blocks: Sequence[Block]) -> Forecasts:
    """Return the forecasts of all blocks together, each by the network of the first seed.

    Networks of other seeds forecast the same windows, so their residuals add no information. A baseline that does not
    suit every block is left out.
    """
    parts = [block.forecasts for block in blocks if block.seed == 0]
    names = [name for name in parts[0].by_name if all(name in part.by_name for part in parts)]
    return Forecasts(
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.truth for part in parts]),
        {name: np.concatenate([part.by_name[name] for part in parts]) for name in names},
    )


def score_blocks(blocks: Sequence[Block], levels: Sequence[float], max_history: int | None = None) -> pd.DataFrame:
    """Return one row for each block, seed and forecaster: `window`, `seed`, `begin`, `end`, `forecaster`, metrics.

    Everything is fitted on data before the block; only the season is that of the training set. Quantiles that are not
    learned are calibrated on the other blocks, if there are any; `max_history` as in `calibrated`.
    """
    tables = []
    for block in blocks:
        data, forecasts = block.data, block.forecasts
        others = [other for other in blocks if other.window != block.window]
        if others:
            forecasts = with_intervals(forecasts, data, calibrated(pooled(others), data, levels, max_history))
        scores = PartScores(data, "test")
        scores.add(forecasts)
        table = scores.table()
        table = table[table["by"] == "all"].drop(columns=["part", "by", "group", "examples"])
        begin = data.times[forecasts.starts].min()
        end = data.times[forecasts.starts + data.layout.horizon - 1].max()
        labels = {"window": block.window, "seed": block.seed, "begin": begin, "end": end}
        tables.append(pd.DataFrame(labels | dict(table.items())))
    return pd.concat(tables, ignore_index=True)


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Return the mean of each forecaster's metrics, and their standard deviation over windows and over seeds."""
    metrics = [name for name in map(str, table) if name not in LABELS]
    summary: dict[str, dict[str, Any]] = {}
    for forecaster, rows in table.groupby("forecaster", sort=False):
        own = summary.setdefault(str(forecaster), {})
        for metric in metrics:
            values = rows.set_index(["window", "seed"])[metric].astype(float).unstack("seed")
            mean, over_seeds = values.to_numpy().mean(), values.std(axis=1, ddof=0).mean()
            spread = {"mean": mean, "over_windows": values.mean(axis=1).std(ddof=0), "over_seeds": over_seeds}
            own[metric] = {name: None if np.isnan(value) else float(value) for name, value in spread.items()}
    return {"windows": int(table["window"].nunique()), "seeds": int(table["seed"].nunique()), "forecasters": summary}

"""What the blocks of a backtest say together: scores of each, their mean and spread, residuals to calibrate on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.forecasts import baselines_of, season_of, with_baselines
from gristmill.timeseries.predictions import Forecasts
from gristmill.timeseries.prepared import MODEL, Prepared
from gristmill.timeseries.scores import mae, skill
from gristmill.timeseries.scoring import measure, past_errors
from gristmill.timeseries.settings import Evaluate

LABELS = ("window", "seed", "begin", "end", "forecaster")  # columns of a block's scores that are no metric


@dataclass(frozen=True)
class Block:
    """One block's forecasts by one network."""

    window: int
    seed: int
    data: Prepared  # cut at the block, which is its test part
    forecasts: Forecasts


def read_blocks(data: Prepared, folders: Sequence[Path]) -> list[Block]:
    """Return the blocks that `backtest` wrote."""
    blocks = []
    for folder in folders:
        told = read_document(folder / "block.json")
        _, _, parts = prepared.read_parts(folder)
        cut = data.cut_at(parts)
        starts = cut.origins("test")
        truth = cut.targets(starts).astype(np.float64)
        model = read_table(folder / "predictions.parquet")[MODEL].to_numpy().reshape(truth.shape)
        blocks.append(Block(told["window"], told["seed"], cut, Forecasts(starts, truth, {MODEL: model})))
    return blocks


def pooled(blocks: Sequence[Block]) -> Forecasts:
    """Return the forecasts of all blocks together."""
    return Forecasts(
        np.concatenate([block.forecasts.starts for block in blocks]),
        np.concatenate([block.forecasts.truth for block in blocks]),
        {MODEL: np.concatenate([block.forecasts.made[MODEL] for block in blocks])},
    )


def score_blocks(data: Prepared, blocks: Sequence[Block], settings: Evaluate) -> pd.DataFrame:
    """Return one row for each block, seed and forecaster: `window`, `seed`, `begin`, `end`, `forecaster`, metrics."""
    rows = []
    for block in blocks:
        names = baselines_of(block.data, "test", settings)
        made = with_baselines(block.forecasts, block.data, "test", settings, names)
        units = past_errors(block.data, "test", made, season_of(data, settings))
        begin, end = data.times[made.starts.min()], data.times[made.starts.max() + data.layout.horizon - 1]
        where = {"window": block.window, "seed": block.seed, "begin": begin, "end": end}
        naive = mae(made.truth, made.made["naive"])
        for name, forecast in made.made.items():
            told = measure(made.truth, forecast, *units)
            rows.append(where | {"forecaster": name} | told | {"skill": skill(mae(made.truth, forecast), naive)})
    return pd.DataFrame(rows)


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Return each forecaster's metrics: mean, and spread (standard deviation) over windows and over seeds."""
    metrics = [name for name in table if name not in LABELS]
    summary = {
        str(name): {str(metric): _spread(rows, str(metric)) for metric in metrics}
        for name, rows in table.groupby("forecaster", sort=False)
    }
    return {"windows": int(table["window"].nunique()), "seeds": int(table["seed"].nunique()), "forecasters": summary}


def _spread(rows: pd.DataFrame, metric: str) -> dict[str, float | None]:
    values = rows.set_index(["window", "seed"])[metric].astype(float).unstack("seed")
    found = {
        "mean": values.to_numpy().mean(),
        "over_windows": values.mean(axis=1).std(ddof=0),
        "over_seeds": values.std(axis=1, ddof=0).mean(),
    }
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}

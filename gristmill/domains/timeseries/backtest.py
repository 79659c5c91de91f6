"""Backtest: train a network on the data before a block, and forecast the block (`backtest_blocks.py`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.backtest_blocks import cut_at_block
from gristmill.domains.timeseries.forecasts import as_rows, forecast_part
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.train import AnyModel, fit_forecaster
from gristmill.training.fit import FitArguments
from gristmill.util.table_io import write_document, write_table


def backtest(
    *,
    model: AnyModel,
    train: Train,
    backtest: Backtest,
    window: int,
    seed: int,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Train on the data before one block and forecast the block; other arguments as in `train`.

    Blocks are numbered by `window`, counted back from the test set, and the networks of a block by `seed`, which is
    added to the seed of training. Writes `predictions.parquet`, `parts.parquet` (the range of the block) and
    `block.json`.

    Raises:
        DataError: there is not enough data before a block.
    """
    data = cut_at_block(dataset.read(preprocess), backtest, window, with_validation=train.patience is not None)
    settings = train.model_copy(update={"seed": train.seed + seed})
    network, history = fit_forecaster(model, settings, data, files=files, **arguments)
    learned = train.quantiles if train.loss == "quantile" else None
    forecasts = forecast_part(data.seen_by(network), "test", network, learned)
    write_table(out / "predictions.parquet", as_rows(data, forecasts, window=window, seed=seed))
    dataset.write_parts(data, out)
    write_document(out / "block.json", {"window": window, "seed": seed, "best_epoch": history.best_epoch})
    counts = {"train_windows": len(data.origins("train")), "windows": len(data.origins("test"))}
    if data.layout.split == "per_series":
        counts["series_without_block"] = int((np.diff(data.part("test")) == 0).sum())
    return counts

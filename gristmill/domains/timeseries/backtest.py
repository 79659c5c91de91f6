"""Backtest: train a network on the data before a block, and forecast the block.

All blocks end where the test set begins. So settings can be chosen on them while the test set stays unseen. With a
series of 100 observations, a test set of 20, blocks of 10 and a gap of 2, window 0 (the newest) trains on [0, 68) and
forecasts [70, 80); window 1 trains on [0, 58) and forecasts [60, 70). With `training` of 40 observations they train on
[28, 68) and [18, 58).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.dataset import PartRange, Prepared
from gristmill.domains.timeseries.forecasts import as_rows, forecast_part
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.split import reached
from gristmill.domains.timeseries.train_network import AnyModel, fit_forecaster
from gristmill.errors import DataError
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
        DataError: there is not enough data before the block.
    """
    whole = dataset.read(preprocess)
    data = whole.cut_at(block_parts(whole, backtest, window, with_validation=train.patience is not None))
    windows = {part: len(data.origins(part)) for part in ("train", "test")}
    if windows["train"] < 2 or not windows["test"]:
        raise DataError(
            f"backtest window {window + 1} has {windows['train']} windows to train on and {windows['test']} to "
            "forecast. Set fewer or smaller windows in the table 'backtest'."
        )
    settings = train.model_copy(update={"seed": train.seed + seed})
    network, history = fit_forecaster(model, settings, data, files=files, **arguments)
    quantiles = list(train.quantiles) if train.loss == "quantile" else None
    forecasts = forecast_part(data.seen_by(network), "test", network, quantiles)
    write_table(out / "predictions.parquet", as_rows(data, forecasts, window=window, seed=seed))
    dataset.write_parts(data, out)
    write_document(out / "block.json", {"window": window, "seed": seed, "best_epoch": history.best_epoch})
    return {"train_windows": windows["train"], "windows": windows["test"]}


def block_parts(data: Prepared, settings: Backtest, window: int, with_validation: bool) -> PartRange:
    """Return the training set, validation set (for patience) and block of each series, (series, 3, 2).

    Blocks begin and end at the same times in all series.
    """
    times, (begins, ends) = data.times.to_numpy(), data.part("test").T
    grid = np.unique(times)
    test = int(np.searchsorted(grid, times[begins[begins < ends]].min()))
    size = settings.size or len(grid) - test
    block = test - (window + 1) * size
    known = block - (data.layout.horizon if settings.gap is None else settings.gap)  # end of training data
    learned = known - (int(np.diff(data.part("validation")).max()) if with_validation else 0)
    begin = 0 if settings.training == "expanding" else learned - settings.training
    edges = np.maximum(0, [begin, learned, learned, known, block, block + size])
    return reached(times, data.bounds, grid[edges]).reshape(len(data.bounds), 3, 2)

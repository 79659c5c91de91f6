"""Backtest: train a network on the data before a block, and forecast the block.

All blocks end where the test set begins. So settings can be chosen on them while the test set stays unseen. With a
series of 100 observations, a test set of 20, blocks of 10 and a gap of 2, window 0 (the newest) trains on [0, 68) and
forecasts [70, 80); window 1 trains on [0, 58) and forecasts [60, 70). With `training` of 40 observations they train on
[28, 68) and [18, 58).

Series that are split per series have blocks of their own. One without room for a block has none; then everything before
its test set is trained on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.dataset import PartRange, Prepared
from gristmill.domains.timeseries.forecasts import as_rows, forecast_part
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.split import min_before_block, reached
from gristmill.domains.timeseries.train_network import AnyModel, fit_forecaster
from gristmill.errors import DataError
from gristmill.training.fit import FitArguments
from gristmill.util.table_io import write_document, write_table

Position = Any  # one position, or an array of them


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
        DataError: a block is shorter than the horizon, or there is not enough data before it.
    """
    whole = dataset.read(preprocess)
    if backtest.size and backtest.size < whole.layout.horizon:
        raise DataError(
            f"backtest.size is {backtest.size}, smaller than preprocess.horizon, {whole.layout.horizon}: no forecast "
            "fits into a block. Set it to at least the horizon."
        )
    data = whole.cut_at(block_parts(whole, backtest, window, with_validation=train.patience is not None))
    windows = {part: len(data.origins(part)) for part in ("train", "test")}
    if data.layout.split == "per_series" and not windows["test"]:
        raise DataError(
            f"no series is long enough for backtest window {window + 1}: models are compared on series with "
            f"{min_before_block(data.layout.season)} observations before the block, and the longest has "
            f"{(whole.part('test')[:, 0] - whole.bounds[:, 0]).max()} before its test set. Set fewer or smaller "
            "windows in the table 'backtest'."
        )
    if windows["train"] < 2 or not windows["test"]:
        raise DataError(
            f"backtest window {window + 1} has {windows['train']} windows to train on and {windows['test']} to "
            "forecast. Set fewer or smaller windows in the table 'backtest'."
        )
    settings = train.model_copy(update={"seed": train.seed + seed})
    network, history = fit_forecaster(model, settings, data, files=files, **arguments)
    learned = train.quantiles if train.loss == "quantile" else None
    forecasts = forecast_part(data.seen_by(network), "test", network, learned)
    write_table(out / "predictions.parquet", as_rows(data, forecasts, window=window, seed=seed))
    dataset.write_parts(data, out)
    write_document(out / "block.json", {"window": window, "seed": seed, "best_epoch": history.best_epoch})
    counts = {"train_windows": windows["train"], "windows": windows["test"]}
    if data.layout.split == "per_series":
        counts["series_without_block"] = int((np.diff(data.part("test")) == 0).sum())
    return counts


def block_parts(data: Prepared, settings: Backtest, window: int, with_validation: bool) -> PartRange:
    """Return the training set, validation set (for patience) and block of each series, (series, 3, 2).

    Blocks begin and end at the same times in all series, unless these are split per series.
    """
    if data.layout.split == "per_series":
        return _own_blocks(data, settings, window, with_validation)
    times, (begins, ends) = data.times.to_numpy(), data.part("test").T
    grid = np.unique(times)
    test = int(np.searchsorted(grid, times[begins[begins < ends]].min()))
    edges = _edges(
        test,
        settings.size or len(grid) - test,
        data.layout.horizon if settings.gap is None else settings.gap,
        int(np.diff(data.part("validation")).max()) if with_validation else 0,
        settings.training,
        window,
    )
    return reached(times, data.bounds, grid[np.maximum(0, edges)]).reshape(len(data.bounds), 3, 2)


def _own_blocks(data: Prepared, settings: Backtest, window: int, with_validation: bool) -> PartRange:
    """Return the parts of each series, counted back from its own test set.

    A block needs the horizon, and observations before it on which models can be compared.
    """
    firsts, (tests, ends) = data.bounds[:, 0], data.part("test").T
    sizes = ends - tests if settings.size is None else np.full_like(tests, settings.size)
    validation = np.diff(data.part("validation"))[:, 0] if with_validation else np.zeros_like(tests)
    edges = _edges(tests, sizes, settings.gap or 0, validation, settings.training, window)
    edges = np.maximum(firsts, edges)
    learned, block = edges[1], edges[4]
    has_room = (learned - firsts >= min_before_block(data.layout.season)) & (edges[5] > block)
    everything = np.stack([firsts, *[tests] * 5])
    return np.where(has_room, edges, everything).T.reshape(-1, 3, 2)


def _edges(
    test: Position, size: Position, gap: int, validation: Position, training: int | str, window: int
) -> npt.NDArray[np.int64]:
    """Return begin and end of training set, validation set and block before a test set that begins at `test`, (6, …).

    They may lie before the series begins.
    """
    block = test - (window + 1) * size
    known = block - gap  # end of the data before the block
    learned = known - validation
    begin = np.zeros_like(learned) if isinstance(training, str) else learned - training
    return np.array([begin, learned, learned, known, block, block + size])

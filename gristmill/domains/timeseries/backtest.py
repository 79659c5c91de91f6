"""Backtest: train a network on the data before a block, and forecast the block.

All blocks end where the test set begins. So settings can be chosen on them while the test set stays unseen. With a
series of 100 observations, a test set of 20, blocks of 10 and a gap of 2, window 0 (the newest) trains on [0, 68) and
forecasts [70, 80); window 1 trains on [0, 58) and forecasts [60, 70). With `training` of 40 observations they train on
[28, 68) and [18, 58).

Series that are split per series have blocks of their own. One without room for a block has none; then everything before
its test set is trained on.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import PartRange, Prepared
from gristmill.domains.timeseries.data.split import min_before_block, reached
from gristmill.domains.timeseries.forecasts import as_rows, forecast_part
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.train import AnyModel, fit_forecaster
from gristmill.errors import DataError
from gristmill.settings.stage import Stage
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
    quantiles = train.quantiles if train.loss == "quantile" else None
    forecasts = forecast_part(data.seen_by(network), "test", network, quantiles)
    write_table(out / "predictions.parquet", as_rows(data, forecasts, window=window, seed=seed))
    dataset.write_parts(data, out)
    write_document(out / "block.json", {"window": window, "seed": seed, "best_epoch": history.best_epoch})
    counts = {"train_windows": len(data.origins("train")), "windows": len(data.origins("test"))}
    if data.layout.split == "per_series":
        counts["series_without_block"] = int((np.diff(data.part("test")) == 0).sum())
    return counts


def check_before_training(preprocessed: Path, tables: Mapping[str, Any], stages: Collection[Stage]) -> None:
    """Check that the data has room for the blocks of the backtest, which are forecast only after a training."""
    if fitted := [stage.settings["train"] for stage in stages if stage.name == "backtest"]:
        with_validation = all(train.patience is not None for train in fitted if isinstance(train, Train))
        check_blocks(dataset.read(preprocessed), tables["backtest"], with_validation)


def check_blocks(whole: Prepared, settings: Backtest, with_validation: bool) -> None:
    """Check that there is enough data before each block.

    Raises:
        DataError: a block is too early, so it would be refused after models were trained.
    """

    def has_no_room(window: int) -> bool:
        data = whole.cut_at(block_parts(whole, settings, window, with_validation))
        return len(data.origins("train")) < 2 or not len(data.origins("test"))

    cut_at_block(whole, settings, 0, with_validation)
    if has_no_room(settings.windows - 1):
        fitting = bisect_left(range(settings.windows), True, key=has_no_room)
        raise DataError(
            f"backtest.windows is {settings.windows}, but the data has room for {fitting}. Set at most {fitting}, "
            "or smaller windows in the table 'backtest'."
        )


def cut_at_block(whole: Prepared, settings: Backtest, window: int, with_validation: bool) -> Prepared:
    """Return the data whose test set is a block, and whose training set comes before it.

    Raises:
        DataError: there is not enough data before the block.
    """
    data = whole.cut_at(block_parts(whole, settings, window, with_validation))
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
    return data


def block_parts(data: Prepared, settings: Backtest, window: int, with_validation: bool) -> PartRange:
    """Return the training set, validation set (for patience) and block of each series, (series, 3, 2).

    Blocks begin and end at the same times in all series, unless these are split per series.
    """
    firsts, (tests, ends) = data.bounds[:, 0], data.part("test").T
    if data.layout.split == "per_series":
        # Count back from each series' own test set. A block needs the horizon, and observations before it on which
        # models can be compared.
        sizes = ends - tests if settings.size is None else np.full_like(tests, settings.size)
        held_out = np.diff(data.part("validation"))[:, 0] if with_validation else np.zeros_like(tests)
        edges = np.maximum(firsts, _edges(tests, sizes, settings.gap or 0, held_out, settings.training, window))
        has_room = (edges[1] - firsts >= min_before_block(data.layout.season)) & (edges[5] > edges[4])
        everything = np.stack([firsts, *[tests] * 5])
        return np.where(has_room, edges, everything).T.reshape(-1, 3, 2)

    # Count back from the first test set, on the times of all series together.
    times = data.times.to_numpy()
    grid = np.unique(times)
    test = int(np.searchsorted(grid, times[tests[tests < ends]].min()))
    size = settings.size or len(grid) - test
    gap = data.layout.horizon if settings.gap is None else settings.gap
    validation = int(np.diff(data.part("validation")).max()) if with_validation else 0
    edges = _edges(test, size, gap, validation, settings.training, window)
    return reached(times, data.bounds, grid[np.maximum(0, edges)]).reshape(len(data.bounds), 3, 2)


def _edges(test: Any, size: Any, gap: int, validation: Any, training: int | str, window: int) -> npt.NDArray[np.int64]:
    """Return begin and end of training set, validation set and block before a test set that begins at `test`, (6, …).

    They may lie before the series begins. `test`, `size` and `validation` are numbers, or arrays with one per series.
    """
    block = test - (window + 1) * size
    known = block - gap  # end of the data before the block
    learned = known - validation
    begin = np.zeros_like(learned) if isinstance(training, str) else learned - training
    return np.array([begin, learned, learned, known, block, block + size])

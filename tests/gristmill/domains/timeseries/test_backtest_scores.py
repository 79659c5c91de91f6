"""What the blocks of a backtest say together."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.backtest import backtest
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.intervals.calibration import calibrate, local_at
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.naive import MovingAverage, Naive, SeasonalNaive
from gristmill.domains.timeseries.scores.backtest_scores import (
    Block,
    pooled,
    read_blocks,
    score_blocks,
    summarised,
    with_baselines,
)
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.scores import MODEL
from gristmill.util.table_io import read_table, write_table
from helpers.small_runs import assembled

VALUES = [np.random.default_rng(seed).normal(size=(80, 2)).cumsum(axis=0) + 50 for seed in (0, 1)]
DATA = assembled(*VALUES, history=5, horizon=2, test=20, starts=[0, 4])
NAIVE = [Naive(kind="naive")]
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two blocks of two seeds, newest first."""
    root = tmp_path_factory.mktemp("blocks")
    (root / "prepared").mkdir()
    dataset.write(DATA, root / "prepared")
    made = []
    for window, seed in ((0, 0), (0, 1), (1, 0), (1, 1)):
        out = root / f"{window}-{seed}"
        out.mkdir()
        backtest(
            model=Linear(kind="linear"),
            train=Train(),
            backtest=Backtest(windows=2, seeds=2, size=10),
            window=window,
            seed=seed,
            preprocess=root / "prepared",
            out=out,
            scratch=root / "scratch",
            logs=root / "logs",
            on_epoch=lambda epoch: None,
        )
        made.append(out)
    return made


@pytest.fixture(scope="module")
def blocks(folders: list[Path]) -> list[Block]:
    return read_blocks(DATA, folders)


def test_blocks_are_read_as_they_were_forecast(blocks: list[Block], folders: list[Path]) -> None:
    assert [(block.window, block.seed) for block in blocks] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for block, folder in zip(blocks, folders, strict=True):
        table = read_table(folder / "predictions.parquet")
        made = block.forecasts
        assert made.truth.shape == (18, 2, 2)  # nine windows of each series
        assert made.truth.ravel() == pytest.approx(table["y"].to_numpy())
        assert made.by_name[MODEL].ravel().tolist() == table["model"].tolist()
        assert DATA.times[made.starts].tolist() == table["ds"].tolist()[::4]


def test_without_blocks_there_is_nothing_to_read() -> None:
    assert read_blocks(DATA, []) == []


def test_each_window_is_pooled_once_to_calibrate_on(blocks: list[Block]) -> None:
    together = pooled(blocks)

    assert len(together.starts) == len(set(together.starts)) == 2 * 18
    assert np.array_equal(together.truth, DATA.targets(together.starts))
    assert np.array_equal(together.by_name[MODEL][18:], blocks[2].forecasts.by_name[MODEL])


def test_a_baseline_that_does_not_suit_every_block_is_not_pooled(blocks: list[Block]) -> None:
    longer = MovingAverage(kind="moving_average", length=50)

    together = pooled([with_baselines(block, [*NAIVE, longer]) for block in blocks])

    assert list(together.by_name) == [MODEL, "naive"]
    assert "moving_average" in with_baselines(blocks[0], [longer]).forecasts.by_name  # the newest block


def test_quantiles_of_a_block_are_calibrated_on_the_other_blocks(blocks: list[Block]) -> None:
    beside = [with_baselines(block, NAIVE) for block in blocks]
    table = score_blocks(beside, LEVELS).set_index(["window", "seed", "forecaster"])

    for block in beside:
        other = beside[2 - 2 * block.window].forecasts  # the first seed's
        made = block.forecasts
        seen, local = (local_at(DATA, starts, 1) for starts in (other.starts, made.starts))
        for name in (MODEL, "naive"):
            intervals = calibrate(other.truth, other.by_name[name], seen, LEVELS, 1, [True, True])
            quantiles = intervals.around(made.by_name[name], local)
            covered = (quantiles[..., 0] <= made.truth) & (made.truth <= quantiles[..., -1])
            row = table.loc[(block.window, block.seed, name)]
            assert row["coverage"] == pytest.approx(covered.mean())
            assert row["width"] == pytest.approx((quantiles[..., -1] - quantiles[..., 0]).mean())
    assert "coverage" not in score_blocks(beside[:2], LEVELS)  # there is no other block


def test_learned_quantiles_of_a_block_are_scored(folders: list[Path], tmp_path: Path) -> None:
    shutil.copytree(folders[0], tmp_path / "block")
    table = read_table(folders[0] / "predictions.parquet")
    learned = {"quantile 0.1": table["y"] - 1, "quantile 0.5": table["model"], "quantile 0.9": table["y"] + 3}
    write_table(tmp_path / "block/predictions.parquet", table.assign(**learned))
    blocks = [with_baselines(block, NAIVE) for block in read_blocks(DATA, [tmp_path / "block", folders[2]])]

    alone, (row, naive) = score_blocks(blocks[:1], LEVELS), score_blocks(blocks, LEVELS).iloc[:2].to_dict("records")

    for found in (row, alone.iloc[0]):
        assert found["coverage"] == 1.0
        assert found["width"] == pytest.approx(4.0, abs=1e-4)
    assert naive["forecaster"] == "naive"
    assert naive["width"] not in (4.0, None)
    assert np.isnan(alone.iloc[1]["width"])  # there is no other block


def test_each_block_is_scored_beside_the_baselines(blocks: list[Block]) -> None:
    baselines = [*NAIVE, SeasonalNaive(kind="seasonal_naive", season=4)]
    table = score_blocks([with_baselines(block, baselines) for block in blocks], LEVELS)

    names = table["forecaster"].unique().tolist()
    assert names[:2] == ["model", "naive"]
    assert names[2:] == ["seasonal_naive"]
    assert len(table) == 4 * len(names)
    for block in blocks:
        rows = table[(table["window"] == block.window) & (table["seed"] == block.seed)].set_index("forecaster")
        made = block.forecasts
        assert set(rows["begin"]) == {DATA.times[made.starts.min()]}
        assert set(rows["end"]) == {DATA.times[made.starts.max() + 1]}
        assert rows.loc["model", "mae"] == pytest.approx(np.abs(made.truth - made.by_name[MODEL]).mean())
        errors = []
        for series in (0, 1):
            first = DATA.bounds[series, 0]
            mine = made.starts[DATA.series_of(made.starts) == series] - first
            for channel in (0, 1):
                values = VALUES[series][:, channel]
                truth = np.array([values[at : at + 2] for at in mine])
                errors.append(np.abs(truth - values[mine - 1, np.newaxis]).mean())
        assert rows.loc["naive", "mae"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_scaled_errors_of_a_block_take_their_unit_from_before_it(blocks: list[Block]) -> None:
    """The block of window 1 begins at month 44 (of 84, with 20 of test and two blocks of 10)."""
    block = blocks[2]
    assert block.data.part("test").tolist() == [[44, 54], [120, 130]]

    row = score_blocks([with_baselines(block, NAIVE)], LEVELS).iloc[0]

    units = [np.abs(np.diff(values[:end], axis=0)).mean(axis=0) for values, end in zip(VALUES, (44, 40), strict=True)]
    scaled = np.abs(block.forecasts.truth - block.forecasts.by_name[MODEL])
    by_series = [scaled[:9] / units[0], scaled[9:] / units[1]]
    assert row["mase"] == pytest.approx(np.mean(by_series), rel=1e-5)


def test_the_spread_is_over_windows_and_over_seeds_by_hand() -> None:
    table = pd.DataFrame(
        [
            {"window": window, "seed": seed, "forecaster": name, "mae": mae}
            for name, errors in (("model", [[1.0, 3.0], [6.0, 6.0]]), ("naive", [[4.0, 4.0], [8.0, 8.0]]))
            for window, row in enumerate(errors)
            for seed, mae in enumerate(row)
        ]
    )

    assert summarised(table) == {
        "windows": 2,
        "seeds": 2,
        "forecasters": {
            "model": {"mae": {"mean": 4.0, "over_windows": 2.0, "over_seeds": 0.5}},  # means 2 and 6; 1 and 0
            "naive": {"mae": {"mean": 6.0, "over_windows": 2.0, "over_seeds": 0.0}},
        },
    }


def test_a_single_block_has_no_spread() -> None:
    table = pd.DataFrame([{"window": 0, "seed": 0, "forecaster": "model", "mae": 3.0}])

    told = summarised(table)["forecasters"]["model"]["mae"]
    assert told == {"mean": 3.0, "over_windows": 0.0, "over_seeds": 0.0}

"""Blocks of a rolling origin lie where they should, each forecast by a network of what came before it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.backtest import backtest, block_parts, check_blocks
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, read_table
from helpers.small_runs import assembled

Run = Callable[..., tuple[Path, dict[str, int]]]

VALUES = np.random.default_rng(0).normal(size=100).cumsum() + 50
DATA = assembled(VALUES, history=5, horizon=2, validation=10, test=20)
LINEAR = Linear(kind="linear")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that makes one block into a folder of that name."""

    def call(
        name: str = "block",
        data: Prepared = DATA,
        model: Any = LINEAR,
        how: Train | None = None,
        window: int = 0,
        seed: int = 0,
        **laid: Any,
    ) -> tuple[Path, dict[str, int]]:
        folder, out = tmp_path / f"{name}.prepared", tmp_path / name
        folder.mkdir()
        out.mkdir()
        dataset.write(data, folder)
        counts = backtest(
            model=model,
            train=how or Train(),
            backtest=Backtest(**{"windows": 3, "size": 10} | laid),
            window=window,
            seed=seed,
            preprocess=folder,
            out=out,
            scratch=tmp_path / f"{name}.scratch",
            logs=tmp_path / f"{name}.logs",
            on_epoch=lambda epoch: None,
        )
        return out, counts

    return call


@pytest.mark.parametrize(
    ("laid", "window", "validated", "expected"),
    [
        ({"size": 10}, 0, False, [[0, 68], [68, 68], [70, 80]]),
        ({"size": 10}, 1, False, [[0, 58], [58, 58], [60, 70]]),
        ({"size": 10}, 2, False, [[0, 48], [48, 48], [50, 60]]),
        ({"size": 10, "training": 40}, 0, False, [[28, 68], [68, 68], [70, 80]]),
        ({"size": 10, "training": 40}, 1, False, [[18, 58], [58, 58], [60, 70]]),
        ({"size": 10, "gap": 0}, 0, False, [[0, 70], [70, 70], [70, 80]]),
        ({"size": 10, "gap": 7}, 1, False, [[0, 53], [53, 53], [60, 70]]),
        ({}, 0, False, [[0, 58], [58, 58], [60, 80]]),  # as large as the test set
        ({"size": 10}, 0, True, [[0, 58], [58, 68], [70, 80]]),  # as much validation as the validation set
        ({"size": 10, "training": 20}, 1, True, [[28, 48], [48, 58], [60, 70]]),
        ({"size": 30}, 2, False, [[0, 0], [0, 0], [0, 20]]),  # nothing left to train on
    ],
)
def test_blocks_by_hand(laid: dict[str, Any], window: int, validated: bool, expected: list[list[int]]) -> None:
    parts = block_parts(DATA, Backtest(windows=3, **laid), window, validated)

    assert parts.tolist() == [expected]


def test_blocks_of_ragged_series_lie_at_the_same_times() -> None:
    """Months 0 to 59; the test set is months 50 to 59, the block months 45 to 49, the gap months 43 and 44."""
    spans = [(0, 60), (44, 60), (20, 40), (55, 60), (30, 48)]
    tables = [np.arange(begin, end, dtype=float) for begin, end in spans]
    data = assembled(*tables, starts=[begin for begin, _ in spans], scale="none", history=1, horizon=2, test=10)

    parts = block_parts(data, Backtest(windows=1, size=5), 0, with_validation=False)

    months = [[[data.values[at, 0] for at in range(begin, end)] for begin, end in series] for series in parts]
    assert months[0] == [list(range(43)), [], list(range(45, 50))]
    assert months[1] == [[], [], list(range(45, 50))]
    assert months[2] == [list(range(20, 40)), [], []]
    assert months[3] == [[], [], []]
    assert months[4] == [list(range(30, 43)), [], [45, 46, 47]]


@given(
    spans=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 50)), min_size=1, max_size=4),
    test=st.integers(1, 8),
    size=st.one_of(st.none(), st.integers(1, 8)),
    gap=st.one_of(st.none(), st.integers(0, 5)),
    training=st.one_of(st.just("expanding"), st.integers(1, 20)),
    window=st.integers(0, 3),
    validated=st.booleans(),
)
def test_all_that_is_trained_on_lies_before_the_block_in_all_series(
    spans: list[tuple[int, int]], test: int, size: Any, gap: Any, training: Any, window: int, validated: bool
) -> None:
    tables = [np.arange(start, start + length, dtype=float) for start, length in spans]
    starts = [start for start, _ in spans]
    try:
        data = assembled(*tables, starts=starts, scale="none", history=1, validation=4, test=test)
    except DataError:
        return
    parts = block_parts(data, Backtest(windows=4, size=size, gap=gap, training=training), window, validated)
    train, validation, block = (
        {int(data.values[at, 0]) for begin, end in parts[:, part] for at in range(begin, end)} for part in range(3)
    )
    tested = {int(data.values[at, 0]) for begin, end in data.part("test") for at in range(begin, end)}

    assert not validation or validated
    assert (parts[:, :, 0] <= parts[:, :, 1]).all()
    assert (parts >= data.bounds[:, np.newaxis, :1]).all()
    assert (parts <= data.bounds[:, np.newaxis, 1:]).all()
    distance = 1 if gap is None else gap
    for earlier, later, apart in ((train, validation, 0), (train | validation, block, distance), (block, tested, 0)):
        if earlier and later:
            assert max(earlier) + apart < min(later)


@pytest.mark.parametrize(
    ("laid", "window", "validated", "expected"),
    [
        ({}, 0, False, [[[0, 33], [33, 33], [33, 36]], [[40, 50], [50, 50], [50, 53]], [[57, 65], [65, 65], [65, 65]]]),
        ({}, 1, False, [[[0, 30], [30, 30], [30, 33]], [[40, 53], [53, 53], [53, 53]], [[57, 65], [65, 65], [65, 65]]]),
        (
            {"gap": 1, "size": 2, "training": 5},
            0,
            False,
            [[[28, 33], [33, 33], [34, 36]], [[45, 50], [50, 50], [51, 53]], [[57, 65], [65, 65], [65, 65]]],
        ),
        ({}, 0, True, [[[0, 30], [30, 33], [33, 36]], [[40, 53], [53, 53], [53, 53]], [[57, 65], [65, 65], [65, 65]]]),
    ],
)
def test_blocks_of_series_split_per_series_lie_before_their_own_test_sets(
    laid: dict[str, Any], window: int, validated: bool, expected: list[Any]
) -> None:
    """Test sets of 4, 4 and 4 of 40, 17 and 12 observations, or of a share; a block needs 9 observations before it."""
    series = [np.arange(length, dtype=float) for length in (40, 17, 12)]
    cut = {"history": 1, "horizon": 3, "season": 4, "test": 4, "validation": 3, "split": "per_series"}
    data = assembled(*series, **cut)

    parts = block_parts(data, Backtest(**{"windows": 2, "size": 3} | laid), window, with_validation=validated)

    assert parts.tolist() == expected


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    test=st.one_of(st.integers(1, 8), st.floats(0.1, 0.5)),
    size=st.one_of(st.none(), st.integers(1, 8)),
    gap=st.one_of(st.none(), st.integers(0, 5)),
    training=st.one_of(st.just("expanding"), st.integers(1, 20)),
    window=st.integers(0, 3),
    validated=st.booleans(),
)
def test_own_blocks_equal_a_loop(
    lengths: list[int], test: Any, size: Any, gap: Any, training: Any, window: int, validated: bool
) -> None:
    cut = {"history": 1, "season": 3, "validation": 4, "test": test, "split": "per_series"}
    try:
        data = assembled(*[np.arange(length, dtype=float) for length in lengths], **cut)
    except DataError:
        return
    found = block_parts(data, Backtest(windows=4, size=size, gap=gap, training=training), window, validated)

    expected = []
    for (first, _), (_, (chosen, judged), (_, last)) in zip(data.bounds, data.parts, strict=True):
        length = size or last - judged
        block = judged - (window + 1) * length
        known = block - (gap or 0)
        learned = known - (judged - chosen if validated else 0)
        begin = first if training == "expanding" else max(first, learned - training)
        if learned - first >= 8 and length:
            expected.append([[begin, learned], [learned, known], [block, block + length]])
        else:
            expected.append([[first, judged], [judged, judged], [judged, judged]])
    assert found.tolist() == expected


def test_a_block_without_a_series_that_is_long_enough_is_refused(run: Run) -> None:
    data = assembled(VALUES[:15], VALUES[:16], history=2, horizon=2, test=5, split="per_series")

    assert run("fits", data, size=2)[1] == {"train_windows": 13, "windows": 2, "series_without_block": 0}
    assert run("short", data, size=3)[1] == {"train_windows": 14, "windows": 2, "series_without_block": 1}
    with pytest.raises(DataError, match=r"no series is long enough for backtest window 1: .* longest has 11 before"):
        run("none", data, size=4)


def test_a_block_is_forecast_by_a_network_of_what_came_before_it(run: Run, tmp_path: Path) -> None:
    out, counts = run(window=1)
    cut = DATA.cut_at(np.array([[[0, 58], [58, 58], [60, 70]]]))

    network, _ = fit_forecaster(LINEAR, Train(), cut, tmp_path, tmp_path, lambda epoch: None)

    starts = cut.origins("test")
    assert counts == {"train_windows": 58 - 5 - 2 + 1, "windows": 9}
    table = read_table(out / "predictions.parquet")
    assert table.columns.tolist() == [
        "window", "seed", "unique_id", "channel", "ds", "step", "y", "model",
    ]  # fmt: skip  # without quantiles, which are calibrated on the blocks, not within them
    assert set(table["window"]) == {1}
    assert table["ds"].tolist() == [DATA.times[start + step] for start in starts for step in (0, 1)]
    assert table["y"].to_numpy() == pytest.approx(DATA.targets(starts).ravel())
    forecast = np.asarray(network(DATA.histories(starts)))
    assert table["model"].to_numpy() == pytest.approx(forecast.ravel(), rel=1e-5)
    assert read_document(out / "block.json") == {"window": 1, "seed": 0, "best_epoch": 0}
    ids, bounds, parts = dataset.read_parts(out)
    assert (ids, bounds.tolist(), parts.tolist()) == (["series 0"], [[0, 100]], cut.parts.tolist())


def test_no_forecast_of_a_block_changes_with_what_comes_from_its_origin_on(run: Run) -> None:
    changed = VALUES.copy()
    changed[66:] += 1e4

    before, after = (
        read_table(run(name, data, window=1)[0] / "predictions.parquet")["model"].to_numpy().reshape(-1, 2)
        for name, data in (
            ("before", DATA),
            ("after", assembled(changed, history=5, horizon=2, validation=10, test=20)),
        )
    )

    assert np.array_equal(before[:7], after[:7])  # origins 60 to 66
    assert np.abs(before[7:] - after[7:]).min() > 1


def test_the_seed_of_a_network_is_added_to_that_of_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def fit(model: Any, settings: Train, *arguments: Any, **named: Any) -> Any:
        seeds.append(settings.seed)
        return fit_forecaster(model, settings, *arguments, **named)

    monkeypatch.setattr("gristmill.domains.timeseries.backtest.fit_forecaster", fit)
    for name, own, seed in (("first", 5, 0), ("second", 5, 1)):
        run(name, how=Train(seed=own), seed=seed)

    assert seeds == [5, 6]


@pytest.mark.slow
def test_patience_uses_validation_windows_before_the_gap_and_learned_quantiles_are_kept(run: Run) -> None:
    how = Train(epochs=4, patience=1, learning_rate=0.1, loss="quantile")

    out, counts = run(model=Dense(kind="dense", units=(3,)), how=how)

    assert dataset.read_parts(out)[2].tolist() == [[[0, 58], [58, 68], [70, 80]]]
    assert counts["train_windows"] == 58 - 5 - 2 + 1
    assert 1 <= read_document(out / "block.json")["best_epoch"] <= 4
    table = read_table(out / "predictions.parquet")
    assert table.columns.tolist()[-3:] == ["quantile 0.05", "quantile 0.5", "quantile 0.95"]
    assert table["quantile 0.5"].tolist() == table["model"].tolist()
    assert table.notna().all(axis=None)


@pytest.mark.parametrize(
    ("laid", "window", "said"),
    [
        ({"windows": 9}, 8, r"backtest window 9 has 0 windows to train on and 0 to forecast\."),
        ({"windows": 7, "gap": 3}, 6, r"backtest window 7 has 1 windows to train on and 9 to forecast\. Set fewer"),
        ({"training": 2}, 0, r"backtest window 1 has 1 windows to train on and 9 to forecast\."),
    ],
)
def test_too_many_or_too_small_blocks_are_refused(run: Run, laid: dict[str, Any], window: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run(window=window, **laid)


@pytest.mark.parametrize(
    ("data", "laid", "fitting"),
    [
        (DATA, {"size": 10}, 7),
        (DATA, {"size": 10, "gap": 3}, 6),
        (assembled(VALUES[:30], VALUES[:20], history=2, horizon=2, test=5, split="per_series"), {"size": 2}, 8),
    ],
)
def test_more_blocks_than_there_is_data_for_are_found_before_training(
    data: Prepared, laid: dict[str, Any], fitting: int
) -> None:
    check_blocks(data, Backtest(windows=fitting, **laid), with_validation=False)
    with pytest.raises(
        DataError, match=rf"backtest\.windows is 40, but the data has room for {fitting}\. Set at most {fitting},"
    ):
        check_blocks(data, Backtest(windows=40, **laid), with_validation=False)


def test_a_first_block_without_room_says_why() -> None:
    with pytest.raises(DataError, match=r"backtest window 1 has 1 windows to train on and 9 to forecast\."):
        check_blocks(DATA, Backtest(windows=3, size=10, training=2), with_validation=False)

"""What preprocess wrote is what every later stage reads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import PARTS, fit_scale, inside
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, write_document
from helpers.small_runs import assembled

SERIES = assembled(np.arange(100, 120), horizon=2, validation=4, test=4)

steps = st.integers(1, 6)
lengths = st.lists(st.integers(1, 30), min_size=1, max_size=4)


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 4)) * 0.1 + 0.2
    data = assembled(values[:30], values[30:], inputs=1, known=1, horizon=3, filled=[7], starts=[0, 10], test=4)
    dataset.write(data, tmp_path)

    found = dataset.read(tmp_path)

    assert found.layout == data.layout  # means and deviations to the last bit
    assert found.ids == ["series 0", "series 1"]
    assert found.values.dtype == np.float32
    assert found.values.tobytes() == data.values.tobytes()
    assert found.times.equals(data.times)
    for name in ("filled", "bounds", "parts"):
        assert np.array_equal(getattr(found, name), getattr(data, name)), name
        assert getattr(found, name).dtype == getattr(data, name).dtype, name


@pytest.mark.parametrize("most", [1, 25, 1000])
def test_blocks_hold_all_series_with_the_scale_of_all(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "OBSERVATIONS_PER_BLOCK", most)
    values = np.random.default_rng(0).normal(size=90)
    data = assembled(values[:20], values[20:50], values[50:], starts=[20, 10, 0], test=4)

    blocks = list(data.blocks())

    assert len(blocks) == {1: 3, 25: 2, 1000: 1}[most]
    assert [name for block in blocks for name in block.ids] == data.ids
    assert np.array_equal(np.concatenate([block.values for block in blocks]), data.values)
    assert all(block.layout == data.layout for block in blocks)
    ends = data.of_each_series(lambda block: block.values[block.bounds[:, 1] - 1, 0])
    assert ends.tolist() == data.values[[19, 49, 89], 0].tolist()
    dataset.write(data, tmp_path)
    assert np.array_equal(dataset.read(tmp_path).values, data.values)


def test_a_sample_of_the_series_holds_the_same_values_and_parts() -> None:
    lengths = [12, 9, 20, 7, 15]
    data = assembled(*(np.arange(length) + 100 * at for at, length in enumerate(lengths)), filled=[25], test=2)

    found = data.sampled(3)

    assert found.ids == ["series 0", "series 2", "series 4"]
    assert np.diff(found.bounds)[:, 0].tolist() == [12, 20, 15]
    for at, series in enumerate([0, 2, 4]):
        for part in PARTS:
            (begin, end), (first, last) = found.part(part)[at], data.part(part)[series]
            assert np.array_equal(found.values[begin:end], data.values[first:last])
            assert found.times[begin:end].equals(data.times[first:last])
            assert np.array_equal(found.filled[begin:end], data.filled[first:last])
    assert data.sampled(5) is data


def test_windows_hold_the_values_that_their_positions_name() -> None:
    starts = SERIES.origins("test")

    assert starts.tolist() == [16, 17, 18]
    assert SERIES.histories(starts)[:, :, 0].tolist() == [
        [112, 113, 114, 115],
        [113, 114, 115, 116],
        [114, 115, 116, 117],
    ]
    assert SERIES.targets(starts)[:, :, 0].tolist() == [[116, 117], [117, 118], [118, 119]]


def test_windows_are_judged_on_the_targets_and_see_all_columns() -> None:
    data = assembled(np.arange(60).reshape(20, 3), inputs=1, known=1, history=2, test=4)
    starts = data.origins("test")[:1]

    assert data.histories(starts).tolist() == [[[42, 43, 44], [45, 46, 47]]]
    assert data.targets(starts).tolist() == [[[48]]]


def test_no_value_is_a_target_of_two_parts() -> None:
    judged = {part: set(SERIES.targets(SERIES.origins(part)).ravel()) for part in PARTS}

    assert judged["train"] == set(range(104, 112))
    assert judged["validation"] == set(range(112, 116))
    assert judged["test"] == set(range(116, 120))


@given(
    lengths=lengths,
    validation=st.integers(0, 6),
    test=st.integers(1, 6),
    history=steps,
    horizon=steps,
    stride=steps,
    holes=st.sets(st.integers(0, 29), max_size=6),
)
def test_origins_equal_a_loop(
    lengths: list[int], validation: int, test: int, history: int, horizon: int, stride: int, holes: set[int]
) -> None:
    """Of many series with holes: no window crosses a series or a part, or is judged on what was filled."""
    filled = [at for at in holes if at < sum(lengths)]
    cut = {"history": history, "horizon": horizon, "stride": stride, "validation": validation, "test": test}
    try:
        data = assembled(*(np.arange(length) for length in lengths), filled=filled, scale="none", **cut)
    except DataError:
        assert max(lengths) <= validation + test
        return

    for part in PARTS:
        expected = []
        for (begin, end), (first, _) in zip(data.part(part), data.bounds, strict=True):
            laid = [at for at in range(begin, end) if at - history >= first and at + horizon <= end][::stride]
            expected += [at for at in laid if not set(range(at - 1, at + horizon)) & set(filled)]
        starts = data.origins(part)
        assert starts.tolist() == expected, part
        owners = data.series_of(starts)
        for start, owner in zip(starts, owners, strict=True):
            first, last = data.bounds[owner]
            assert first <= start - history
            assert start + horizon <= last


def test_a_window_may_see_what_was_filled_but_not_just_before_its_origin() -> None:
    data = assembled(np.arange(20), horizon=2, test=10, filled=[12])

    assert data.origins("test").tolist() == [10, 14, 15, 16, 17, 18]  # 11 and 12 are judged on it, 13 ends with it


def test_a_series_cut_elsewhere_has_the_scale_of_its_new_training_part() -> None:
    values = np.random.default_rng(0).normal(size=(40, 2))
    data = assembled(values[:20], values[20:], test=4)
    parts = np.array([[[2, 8], [8, 10], [10, 14]], [[20, 20], [20, 25], [25, 30]]])

    cut = data.cut_at(parts)

    assert cut.layout.mean == pytest.approx(values[2:8].mean(axis=0))
    assert cut.layout.deviation == pytest.approx(values[2:8].std(axis=0), rel=1e-5)
    assert replace(cut, parts=data.parts, layout=data.layout) == data  # nothing else differs


@given(length=st.integers(1, 30), edges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_inside_equals_a_loop(length: int, edges: list[tuple[int, int]]) -> None:
    bounds = np.array([sorted((min(low, length), min(high, length))) for low, high in edges], np.int64)
    bounds = bounds.reshape(-1, 2)

    expected = [any(begin <= at < end for begin, end in bounds) for at in range(length)]

    assert inside(length, bounds).tolist() == expected


def test_the_scale_is_mean_and_deviation_of_each_column() -> None:
    train = np.array([[1.0, 7.0], [5.0, 7.0]])

    assert fit_scale(train, "standard") == ([3, 7], [2, 1])  # what does not vary is not divided by 0
    assert fit_scale(train, "none") == ([0, 0], [1, 1])
    assert fit_scale(train[:0], "standard") == ([0, 0], [1, 1])


def test_the_scale_of_float32_values_is_reckoned_in_double_precision() -> None:
    train = np.full((1_000_000, 1), 1e4, np.float32)
    train[::2] += 1

    (mean,), (deviation,) = fit_scale(train, "standard")

    assert mean == pytest.approx(1e4 + 0.5, abs=1e-6)
    assert deviation == pytest.approx(0.5, abs=1e-6)


def test_a_layout_of_an_earlier_version_has_no_season(tmp_path: Path) -> None:
    dataset.write(assembled(np.arange(20), season=7), tmp_path)
    document = read_document(tmp_path / "layout.json")
    assert document.pop("season") == 7
    write_document(tmp_path / "layout.json", document)

    assert dataset.read(tmp_path).layout.season is None


@pytest.mark.parametrize("part", ["validation", "test"])
def test_what_is_known_before_a_part_is_the_training_set(part: str) -> None:
    tables = [np.random.default_rng(seed).normal(50, 9, size=(length, 2)) for seed, length in enumerate((60, 40))]
    data = assembled(*tables, validation=10, test=10, starts=[0, 20])

    known = data.known_before(part)

    assert known.part("train").tolist() == [[0, data.part(part)[0, 0]], [60, data.part(part)[1, 0]]]
    assert len(known.origins("validation")) == 0
    assert np.array_equal(known.part("test"), data.part(part))
    together = np.concatenate([data.values[begin:end] for begin, end in known.part("train")])
    assert known.layout.mean == pytest.approx(together.mean(axis=0), rel=1e-5)

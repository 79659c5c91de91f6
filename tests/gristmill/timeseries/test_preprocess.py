"""The split is by time, and the training part alone decides the scale."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.timeseries import prepared
from gristmill.timeseries.preprocess import fit_scale, split

pytest_plugins = ["small_runs"]

Prepare = Callable[..., Path]

VALUES = np.random.default_rng(0).normal(50, 9, size=100)


@pytest.mark.parametrize(
    ("length", "validation", "test", "sizes"),
    [
        (100, 0.2, 0.1, (70, 20, 10)),
        (100, 20, 10, (70, 20, 10)),
        (100, 0.2, 10, (70, 20, 10)),
        (100, 0, 0.5, (50, 0, 50)),
        (3235, 300, 235, (2700, 300, 235)),
        (2922, 0.15, 0.15, (2046, 438, 438)),
        (3, 1, 1, (1, 1, 1)),
        (30, 0.01, 0.01, (28, 1, 1)),
        (30, 0, 0.01, (29, 0, 1)),
        (4, 0.1, 0.1, (2, 1, 1)),
    ],
)
def test_parts_are_shares_or_counts(length: int, validation: float, test: float, sizes: tuple[int, int, int]) -> None:
    parts = split(length, validation, test)

    assert list(parts) == ["train", "validation", "test"]
    assert tuple(end - begin for begin, end in parts.values()) == sizes


@settings(deadline=None)
@given(
    length=st.integers(1, 500),
    validation=st.one_of(st.integers(0, 200), st.floats(0.01, 0.6)),
    test=st.one_of(st.integers(1, 200), st.floats(0.01, 0.6)),
)
def test_parts_follow_each_other_without_gap_or_overlap(length: int, validation: float, test: float) -> None:
    sizes = [size if isinstance(size, int) else max(1, round(size * length)) for size in (validation, test)]
    try:
        parts = split(length, validation, test)
    except DataError:
        assert sum(sizes) >= length
        return
    covered = [at for begin, end in parts.values() for at in range(begin, end)]

    assert covered == list(range(length))
    assert [end - begin for begin, end in parts.values()] == [length - sum(sizes), *sizes]


@pytest.mark.parametrize(
    ("length", "validation", "test"), [(10, 5, 5), (10, 0, 20), (10, 0.5, 0.5), (1, 0, 1), (2, 0.1, 0.1)]
)
def test_parts_larger_than_the_series_are_refused(length: int, validation: float, test: float) -> None:
    with pytest.raises(DataError, match=rf"the series has {length} observations, but validation takes"):
        split(length, validation, test)


def test_the_layout_says_how_the_series_was_cut(prepare: Prepare) -> None:
    layout = prepared.read(prepare(VALUES, history=6, horizon=2, stride=3, validation=20, test=0.1)).layout

    assert layout.parts == {"train": (0, 70), "validation": (70, 90), "test": (90, 100)}
    assert (layout.target, layout.frequency) == ("y", "MS")
    assert (layout.history, layout.horizon, layout.stride) == (6, 2, 3)


def test_the_scale_is_that_of_the_training_part(prepare: Prepare) -> None:
    layout = prepared.read(prepare(VALUES, history=6, validation=20, test=10)).layout

    known = VALUES[:70].astype(np.float32).astype(np.float64)
    assert layout.mean == pytest.approx(sum(known) / 70)
    assert layout.deviation == pytest.approx(np.sqrt(sum((known - layout.mean) ** 2) / 70))


def test_nothing_fitted_changes_when_values_of_validation_and_test_do(prepare: Prepare) -> None:
    changed = VALUES.copy()
    changed[70:] = 1e6 * np.random.default_rng(1).normal(size=30)
    before = prepared.read(prepare(VALUES, "before", history=6, validation=20, test=10))
    after = prepared.read(prepare(changed, "after", history=6, validation=20, test=10))

    assert before.layout == after.layout
    assert np.array_equal(before.histories("train"), after.histories("train"))
    assert np.array_equal(before.targets("train"), after.targets("train"))
    assert not np.array_equal(before.targets("validation"), after.targets("validation"))


def test_the_scale_changes_with_the_last_training_value(prepare: Prepare) -> None:
    changed = VALUES.copy()
    changed[69] += 100
    before = prepared.read(prepare(VALUES, "before", history=6, validation=20, test=10)).layout
    after = prepared.read(prepare(changed, "after", history=6, validation=20, test=10)).layout

    assert after.mean == pytest.approx(before.mean + 100 / 70)
    assert after.deviation > before.deviation


def test_no_scale_leaves_values_as_they_are() -> None:
    assert fit_scale(np.array([1.0, 5.0]), "none") == (0, 1)
    assert fit_scale(np.array([1.0, 5.0]), "standard") == (3, 2)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_constant_training_part_is_refused(prepare: Prepare, scale: str) -> None:
    values = np.concatenate([np.full(70, 7.5), VALUES[70:]])

    with pytest.raises(DataError, match=r"all 70 values of the training part are 7.5: there is nothing to learn"):
        prepare(values, history=6, validation=20, test=10, scale=scale)


def test_a_share_that_rounds_to_nothing_still_takes_one_observation(prepare: Prepare) -> None:
    layout = prepared.read(prepare(VALUES[:30], history=6, validation=0.01, test=0.01)).layout

    assert layout.parts == {"train": (0, 28), "validation": (28, 29), "test": (29, 30)}


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("centre", [1e9, -1e9, 1e12])
def test_values_that_vary_less_than_float32_can_tell_are_refused(prepare: Prepare, centre: float, scale: str) -> None:
    apart = "64" if abs(centre) == 1e9 else "65536"  # numbers of 24 bits: 2**30 / 2**24 and 2**40 / 2**24
    wanted = rf"^the values vary by 8\.\d+ around {re.escape(f'{centre:g}')}, where 32-bit numbers are {apart} apart\. "
    with pytest.raises(DataError, match=wanted + "Subtract a constant from the target column"):
        prepare(VALUES + centre, history=6, validation=20, test=10, scale=scale)


@pytest.mark.parametrize(("centre", "factor"), [(1e9, 1e5), (0, 1e-30), (0, 1e30), (1000, 1)])
def test_values_that_float32_can_tell_apart_are_taken(prepare: Prepare, centre: float, factor: float) -> None:
    values = VALUES * factor + centre
    data = prepared.read(prepare(values, history=6, validation=20, test=10))

    assert data.layout.deviation == pytest.approx(values[:70].std(), rel=1e-3)


def test_a_late_rise_does_not_hide_that_the_training_part_is_too_coarse(prepare: Prepare) -> None:
    values = VALUES + 1e9
    values[90:] += 1e7

    with pytest.raises(DataError, match="32-bit numbers"):
        prepare(values, history=6, validation=20, test=10)


@pytest.mark.parametrize(
    ("part", "cut"),
    [
        ("train", {"history": 69, "horizon": 1, "validation": 20, "test": 10}),  # one window, nothing to fit on
        ("train", {"history": 80, "horizon": 2, "validation": 20, "test": 10}),
        ("validation", {"history": 6, "horizon": 12, "validation": 10, "test": 20}),
        ("test", {"history": 6, "horizon": 12, "validation": 20, "test": 10}),
    ],
)
def test_a_part_too_short_for_a_window_is_refused(prepare: Prepare, part: str, cut: dict[str, int]) -> None:
    wanted = rf"the {part} part has \d+ of the series' 100 observations, too few for a window of history "
    with pytest.raises(DataError, match=wanted + rf"{cut['history']} \+ horizon {cut['horizon']}"):
        prepare(VALUES, **cut)


def test_equal_series_give_equal_bytes(prepare: Prepare) -> None:
    first, second = (prepare(VALUES, name, history=6, validation=20, test=10) for name in ("first", "second"))

    written = {path.name: path.read_bytes() for path in first.iterdir()}
    assert sorted(written) == ["layout.json", "series.parquet"]
    assert {path.name: path.read_bytes() for path in second.iterdir()} == written

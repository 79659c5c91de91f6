"""Series are split by time, all at the same times."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.split import reached, split_all, split_each
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError
from helpers.small_runs import months


def split_one(length: int, validation: float, test: float) -> list[list[int]]:
    """Return the ranges of training, validation and test set of one series."""
    cut = Preprocess(history=1, validation=validation, test=test)
    parts: list[list[int]] = split_all(pd.Series(range(length)), np.array([length]), cut)[1][0].tolist()
    return parts


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
        (30, 0.01, 0.01, (28, 1, 1)),  # a share that rounds to nothing still takes one observation
        (30, 0, 0.01, (29, 0, 1)),
        (4, 0.1, 0.1, (2, 1, 1)),
    ],
)
def test_parts_are_shares_or_counts(length: int, validation: float, test: float, sizes: tuple[int, int, int]) -> None:
    parts = split_one(length, validation, test)

    assert tuple(end - begin for begin, end in parts) == sizes


@given(
    length=st.integers(1, 500),
    validation=st.one_of(st.integers(0, 200), st.floats(0.01, 0.6)),
    test=st.one_of(st.integers(1, 200), st.floats(0.01, 0.6)),
)
def test_parts_follow_each_other_without_gap_or_overlap(length: int, validation: float, test: float) -> None:
    sizes = [size if isinstance(size, int) else max(1, round(size * length)) for size in (validation, test)]
    try:
        parts = split_one(length, validation, test)
    except DataError:
        assert sum(sizes) >= length
        return
    covered = [at for begin, end in parts for at in range(begin, end)]

    assert covered == list(range(length))
    assert [end - begin for begin, end in parts] == [length - sum(sizes), *sizes]


@pytest.mark.parametrize(
    ("length", "validation", "test"), [(10, 5, 5), (10, 0, 20), (10, 0.5, 0.5), (1, 0, 1), (2, 0.1, 0.1)]
)
def test_parts_larger_than_the_series_are_refused(length: int, validation: float, test: float) -> None:
    with pytest.raises(DataError, match=rf"the series has {length} observations, but validation takes"):
        split_one(length, validation, test)


def test_ragged_series_are_cut_at_common_times_by_hand() -> None:
    """Months 0 to 9 in all; validation is months 5 and 6, test months 7 to 9."""
    spans = {"whole": (0, 10), "begins late": (6, 10), "ends early": (0, 6), "only test": (8, 10), "only train": (1, 4)}
    times = pd.concat([pd.Series(months(end - begin, begin)) for begin, end in spans.values()], ignore_index=True)
    lengths = np.array([end - begin for begin, end in spans.values()])

    bounds, parts = split_all(times, lengths, Preprocess(history=1, validation=2, test=3))

    assert bounds.tolist() == [[0, 10], [10, 14], [14, 20], [20, 22], [22, 25]]
    assert parts.tolist() == [
        [[0, 5], [5, 7], [7, 10]],
        [[10, 10], [10, 11], [11, 14]],
        [[14, 19], [19, 20], [20, 20]],
        [[20, 20], [20, 20], [20, 22]],
        [[22, 25], [25, 25], [25, 25]],
    ]


@settings(max_examples=50)
@given(
    spans=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 25)), min_size=1, max_size=5),
    validation=st.integers(0, 8),
    test=st.integers(1, 8),
)
def test_no_series_is_trained_on_a_time_that_another_is_judged_on(
    spans: list[tuple[int, int]], validation: int, test: int
) -> None:
    times = pd.concat([pd.Series(months(length, start)) for start, length in spans], ignore_index=True)
    lengths = np.array([length for _, length in spans])
    try:
        bounds, parts = split_all(times, lengths, Preprocess(history=1, validation=validation, test=test))
    except DataError:
        assert times.nunique() <= validation + test
        return
    ends = np.cumsum(lengths)

    assert bounds.tolist() == np.column_stack([ends - lengths, ends]).tolist()
    assert np.array_equal(parts[:, 0, 0], bounds[:, 0])
    assert np.array_equal(parts[:, 1:, 0], parts[:, :-1, 1])  # each begins where the one before ends
    assert np.array_equal(parts[:, 2, 1], bounds[:, 1])
    spans_of_parts = [[times[at] for begin, end in parts[:, part] for at in range(begin, end)] for part in range(3)]
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        if spans_of_parts[earlier] and spans_of_parts[later]:
            assert max(spans_of_parts[earlier]) < min(spans_of_parts[later])


def test_numbered_observations_are_split_too() -> None:
    bounds, parts = split_all(pd.Series([10, 11, 12, 13, 12, 13]), np.array([4, 2]), Preprocess(history=1, test=1))

    assert bounds.tolist() == [[0, 4], [4, 6]]
    assert parts.tolist() == [[[0, 2], [2, 3], [3, 4]], [[4, 4], [4, 5], [5, 6]]]


def test_series_are_cut_before_their_own_ends_by_hand() -> None:
    cut = Preprocess(history=1, validation=2, test=3, split="per_series")

    bounds, parts = split_each(np.array([10, 4, 5, 3, 1]), cut, past=1)

    assert bounds.tolist() == [[0, 10], [10, 14], [14, 19], [19, 22], [22, 23]]
    assert parts.tolist() == [
        [[0, 5], [5, 7], [7, 10]],
        [[10, 11], [11, 11], [11, 14]],  # no observation before a validation set
        [[14, 16], [16, 16], [16, 19]],
        [[19, 20], [20, 22], [22, 22]],  # none before a test set
        [[22, 23], [23, 23], [23, 23]],
    ]


def test_shares_are_those_of_each_series_and_at_least_the_horizon() -> None:
    cut = Preprocess(history=1, horizon=3, validation=0.1, test=0.2, split="per_series")

    _, parts = split_each(np.array([100, 10]), cut, past=1)

    # No forecast fits into the single observation that 0.1 of the second series is, so it is trained on.
    assert parts.tolist() == [[[0, 70], [70, 80], [80, 100]], [[100, 107], [107, 107], [107, 110]]]


def test_no_series_long_enough_to_be_tested_is_an_error() -> None:
    cut = Preprocess(history=1, horizon=6, test=6, split="per_series")

    with pytest.raises(DataError, match=r"the longest has 6 observations, but a test set of 6 needs 1 before it"):
        split_each(np.array([3, 6]), cut, past=1)


@given(
    series=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=9), min_size=1, max_size=5),
    moments=st.lists(st.integers(-1, 31), max_size=4),
)
def test_positions_reached_equal_a_loop(series: list[list[int]], moments: list[int]) -> None:
    times = np.concatenate([sorted(one) for one in series])
    ends = np.cumsum([len(one) for one in series])
    bounds = np.column_stack([ends - [len(one) for one in series], ends])

    found: Any = reached(times, bounds, np.array(moments, np.int64))

    assert found.tolist() == [
        [next((at for at in range(begin, end) if times[at] >= moment), end) for moment in moments]
        for begin, end in bounds.tolist()
    ]

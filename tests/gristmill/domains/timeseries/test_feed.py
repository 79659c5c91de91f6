"""What training is fed: each window once an epoch, gathered where its origin says."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.normalisation import scaled
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import WindowFeed
from helpers.feeds import batches_of, batches_within_a_graph
from helpers.small_runs import assembled

CUT = {"history": 6, "horizon": 2, "validation": 20, "test": 10}

Row = tuple[float, ...]


def rows(batches: Iterable[tuple[Any, Any]]) -> list[Row]:
    """Return history and targets of every window, in the order of the batches."""
    return [
        (*history.ravel().tolist(), *target.ravel().tolist())
        for seen, judged in batches
        for history, target in zip(seen, judged, strict=True)
    ]


def positions(**settings: object) -> Prepared:
    """Return a series whose values are their own positions, so that a batch tells where it was gathered."""
    return assembled(np.arange(90), scale="none", **CUT | settings)


@pytest.mark.parametrize("stride", [1, 3])
def test_training_sees_every_window_once_an_epoch_and_no_value_of_a_later_part(stride: int) -> None:
    feed = WindowFeed(positions(stride=stride), Train(epochs=1, batch_size=7))

    batches = batches_of(feed)

    seen = rows(batches)
    assert sorted(seen) == [tuple(range(origin - 6, origin + 2)) for origin in range(6, 59, stride)]
    assert feed.updates == len(batches) == -(-len(seen) // 7)
    assert [len(history) for history, _ in batches[:-1]] == [7] * (len(batches) - 1)
    assert max(max(row) for row in seen) < 60


def test_validation_holds_no_target_of_training() -> None:
    feed = WindowFeed(positions(), Train(epochs=1))

    validation = feed.validation()
    assert validation is not None
    judged = {value for row in rows(validation.as_numpy_iterator()) for value in row[-2:]}

    assert judged == set(range(60, 80))
    assert judged.isdisjoint(value for row in rows(batches_of(feed)) for value in row)


def test_without_a_validation_part_there_is_none() -> None:
    assert WindowFeed(positions(validation=0), Train(epochs=1)).validation() is None


def test_no_window_crosses_from_one_series_to_the_next() -> None:
    data = assembled(np.arange(0, 30), np.arange(100, 125), np.arange(200, 230), scale="none", test=5)

    seen = rows(batches_of(WindowFeed(data, Train(epochs=1))))

    assert len(seen) == (25 - 4) + (25 - 4) + (25 - 4)
    assert all(row == tuple(range(int(row[0]), int(row[0]) + 5)) for row in seen)
    assert len({row[0] for row in seen}) == len(seen)


def test_all_columns_are_seen_and_only_targets_are_judged() -> None:
    data = assembled(np.arange(120).reshape(30, 4), inputs=1, known=1, scale="none", history=2, horizon=2, test=5)

    for seen, judged in batches_of(WindowFeed(data, Train(epochs=1, batch_size=8))):
        assert seen.shape[1:] == (2, 4)
        assert judged.shape[1:] == (2, 2)
        begin = seen[:, 0, 0]
        assert np.array_equal(seen, begin[:, None, None] + np.arange(8).reshape(2, 4))
        assert np.array_equal(judged, begin[:, None, None] + [[8, 9], [12, 13]])


def test_a_sequence_is_judged_after_each_step_on_what_follows_it() -> None:
    sequences = WindowFeed(positions(), Train(epochs=1, targets="sequence", batch_size=7))
    last = rows(batches_of(WindowFeed(positions(), Train(epochs=1, batch_size=7))))

    seen, judged = (np.concatenate(found) for found in zip(*batches_of(sequences), strict=True))

    assert judged.shape == (len(last), 6, 2, 1)
    assert np.array_equal(
        judged[..., 0], seen + np.array([1, 2])
    )  # (windows, history, horizon): the next two of each step
    assert judged.max() < 60
    assert sorted(map(tuple, np.column_stack([seen[..., 0], judged[:, -1, :, 0]]).tolist())) == sorted(last)


def test_each_epoch_has_its_own_order_whether_or_not_training_went_on_from_it() -> None:
    data = positions()

    def order(number: int, seed: int = 1) -> list[Row]:
        return rows(batches_of(WindowFeed(data, Train(epochs=3, batch_size=7, seed=seed)), number))

    first, second, third = (order(number) for number in range(3))
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second != third != first
    assert order(1) == second
    assert order(0, seed=2) != first


@pytest.mark.parametrize("size", [1, 10, 53, 500])  # of 53 windows
def test_batches_are_those_of_the_first_epoch_within_a_graph_and_outside(size: int) -> None:
    feed = WindowFeed(positions(), Train(epochs=1, batch_size=size, seed=1))

    expected = rows(batches_of(feed))
    assert batches_within_a_graph(feed)[..., 0].tolist() == [list(row[:6]) for row in expected]
    assert rows(feed.batches().as_numpy_iterator()) == expected


def test_windows_for_training_are_standardised() -> None:
    values = np.random.default_rng(0).normal(100, 7, size=(90, 2))
    data = assembled(values, inputs=1, **CUT)
    starts = data.origins("train")

    ((seen, judged),) = batches_of(WindowFeed(data, Train(epochs=1, batch_size=500)))

    mean, deviation = values[:60].mean(axis=0), values[:60].std(axis=0)
    windows = [(values[at - 6 : at + 2] - mean) / deviation for at in starts]
    expected = sorted((*window[:6].ravel(), *window[6:, 0]) for window in windows)
    found = sorted((*window.ravel(), *target.ravel()) for window, target in zip(seen, judged, strict=True))
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-4)


def test_values_are_scaled_by_their_own_column() -> None:
    layout = assembled(np.array([[0.0, 10.0], [2.0, 14.0], [5.0, 5.0]]), inputs=1, history=1, test=1).layout

    assert scaled(np.array([3.0, 16.0]), layout).tolist() == [2, 2]
    assert scaled(np.array([[3.0], [0.0]]), layout, targets_only=True).tolist() == [[2], [-1]]

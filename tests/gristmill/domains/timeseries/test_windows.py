"""No window sees what it is judged on, and the vectorised indices are those of a loop."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.windows import history_index, origins, sequence_index, target_index, thinned

positions = st.integers(0, 40)
steps = st.integers(1, 15)


@given(first=positions, begin=positions, length=positions, history=steps, horizon=steps, stride=steps)
def test_no_window_sees_its_targets_and_all_of_them_lie_in_the_part(
    first: int, begin: int, length: int, history: int, horizon: int, stride: int
) -> None:
    starts = origins([(begin, begin + length)], history, horizon, stride, first)
    seen, judged = history_index(starts, history), target_index(starts, horizon)

    assert seen.shape == (len(starts), history)
    assert judged.shape == (len(starts), horizon)
    assert (seen < starts[:, np.newaxis]).all()
    assert (seen >= first).all()
    assert (judged >= np.maximum(begin, starts[:, np.newaxis])).all()
    assert (judged < begin + length).all()


@given(first=positions, begin=positions, length=positions, history=steps, horizon=steps, stride=steps)
def test_indices_equal_a_loop(first: int, begin: int, length: int, history: int, horizon: int, stride: int) -> None:
    found = []
    for origin in range(begin, begin + length):
        seen = [origin - back for back in range(history, 0, -1)]
        judged = [origin + ahead for ahead in range(horizon)]
        if seen[0] >= first and judged[-1] < begin + length:
            found.append((origin, seen, judged))
    found = found[::stride]

    starts = origins([(begin, begin + length)], history, horizon, stride, first)

    assert starts.tolist() == [origin for origin, _, _ in found]
    assert history_index(starts, history).tolist() == [seen for _, seen, _ in found]
    assert target_index(starts, horizon).tolist() == [judged for _, _, judged in found]


@given(begin=positions, length=positions, history=steps, horizon=steps)
def test_each_step_of_a_sequence_is_judged_on_what_follows_it(
    begin: int, length: int, history: int, horizon: int
) -> None:
    starts = origins([(begin, begin + length)], history, horizon)

    judged = sequence_index(starts, history, horizon)

    assert judged.shape == (len(starts), history, horizon)
    seen = history_index(starts, history)
    assert (judged == seen[..., np.newaxis] + 1 + np.arange(horizon)).all()
    assert np.array_equal(judged[:, -1], target_index(starts, horizon))  # the last step is judged as the window is
    assert (judged < begin + length).all()


def test_a_part_with_room_for_one_window_has_one() -> None:
    assert origins([(10, 13)], history=10, horizon=3).tolist() == [10]
    assert origins([(10, 12)], history=10, horizon=3).tolist() == []
    assert origins([(0, 13)], history=10, horizon=3).tolist() == [10]
    assert origins([(10, 13)], history=10, horizon=3, firsts=1).tolist() == []


def test_stride_one_leaves_no_position_of_a_later_part_unjudged() -> None:
    starts = origins([(20, 40)], history=5, horizon=4)

    assert sorted(set(target_index(starts, 4).ravel())) == list(range(20, 40))
    assert all(after - before == 1 for before, after in pairwise(starts))


@pytest.mark.parametrize(("history", "horizon", "stride"), [(1, 1, 1), (5, 3, 1), (12, 2, 4)])
def test_numpy_and_tensorflow_give_the_same_index(history: int, horizon: int, stride: int) -> None:
    import tensorflow as tf

    starts = origins([(8, 50)], history, horizon, stride)
    tensor = tf.constant(starts, tf.int64)

    assert np.array_equal(history_index(tensor, history).numpy(), history_index(starts, history))
    assert np.array_equal(target_index(tensor, horizon).numpy(), target_index(starts, horizon))
    assert np.array_equal(sequence_index(tensor, history, horizon).numpy(), sequence_index(starts, history, horizon))


@pytest.mark.parametrize("per_series", [1, 5, 12, 13])
def test_thinned_origins_are_spread_over_all_and_over_the_places_of_each_series(per_series: int) -> None:
    starts = np.arange(1000 * per_series)

    kept = thinned(starts, 300)

    assert len(kept) == pytest.approx(300, abs=3)
    assert np.bincount(kept // (100 * per_series), minlength=10) == pytest.approx(np.full(10, 30), abs=3)
    places = np.bincount(kept % per_series, minlength=per_series)
    assert places == pytest.approx(np.full(per_series, 300 / per_series), rel=0.5)
    assert np.array_equal(thinned(starts[:300], 300), starts[:300])

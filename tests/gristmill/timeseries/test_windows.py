"""No window sees what it is judged on, and the vectorised indices are those of a loop."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.timeseries.preprocess import split
from gristmill.timeseries.windows import history_index, origins, target_index

positions = st.integers(0, 40)
steps = st.integers(1, 15)


@settings(deadline=None)
@given(begin=positions, length=positions, history=steps, horizon=steps, stride=steps)
def test_no_window_sees_its_targets_and_all_of_them_lie_in_the_part(
    begin: int, length: int, history: int, horizon: int, stride: int
) -> None:
    starts = origins((begin, begin + length), history, horizon, stride)
    seen, judged = history_index(starts, history), target_index(starts, horizon)

    assert seen.shape == (len(starts), history)
    assert judged.shape == (len(starts), horizon)
    assert (seen < starts[:, np.newaxis]).all()
    assert (seen >= 0).all()
    assert (judged >= np.maximum(begin, starts[:, np.newaxis])).all()
    assert (judged < begin + length).all()


@settings(deadline=None)
@given(begin=positions, length=positions, history=steps, horizon=steps, stride=steps)
def test_indices_equal_a_loop(begin: int, length: int, history: int, horizon: int, stride: int) -> None:
    found = []
    for origin in range(begin, begin + length):
        seen = [origin - back for back in range(history, 0, -1)]
        judged = [origin + ahead for ahead in range(horizon)]
        if seen[0] >= 0 and judged[-1] < begin + length:
            found.append((origin, seen, judged))
    found = found[::stride]

    starts = origins((begin, begin + length), history, horizon, stride)

    assert starts.tolist() == [origin for origin, _, _ in found]
    assert history_index(starts, history).tolist() == [seen for _, seen, _ in found]
    assert target_index(starts, horizon).tolist() == [judged for _, _, judged in found]


@settings(deadline=None)
@given(
    length=st.integers(2, 80),
    validation=st.integers(0, 30),
    test=st.integers(1, 30),
    history=steps,
    horizon=steps,
    stride=steps,
)
def test_every_position_is_a_target_of_one_part_at_most(
    length: int, validation: int, test: int, history: int, horizon: int, stride: int
) -> None:
    try:
        parts = split(length, validation, test)
    except DataError:
        return
    judged = {part: target_index(origins(span, history, horizon, stride), horizon) for part, span in parts.items()}

    for part, span in parts.items():
        assert set(judged[part].ravel()) <= set(range(*span))
    assert parts["test"][1] == length
    assert [span[0] for span in list(parts.values())[1:]] == [span[1] for span in list(parts.values())[:-1]]


def test_a_part_with_room_for_one_window_has_one() -> None:
    assert origins((10, 13), history=10, horizon=3).tolist() == [10]
    assert origins((10, 12), history=10, horizon=3).tolist() == []
    assert origins((0, 13), history=10, horizon=3).tolist() == [10]


def test_stride_one_leaves_no_position_of_a_later_part_unjudged() -> None:
    starts = origins((20, 40), history=5, horizon=4)

    assert sorted(set(target_index(starts, 4).ravel())) == list(range(20, 40))
    assert all(after - before == 1 for before, after in pairwise(starts))


@pytest.mark.parametrize(("history", "horizon", "stride"), [(1, 1, 1), (5, 3, 1), (12, 2, 4)])
def test_numpy_and_tensorflow_give_the_same_index(history: int, horizon: int, stride: int) -> None:
    import tensorflow as tf

    starts = origins((8, 50), history, horizon, stride)
    tensor = tf.constant(starts, tf.int64)

    assert np.array_equal(history_index(tensor, history).numpy(), history_index(starts, history))
    assert np.array_equal(target_index(tensor, horizon).numpy(), target_index(starts, horizon))

"""Small and large series count alike: the scale of each is its mean step before the validation set."""

from dataclasses import replace

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import inside
from gristmill.domains.timeseries.data.series_scale import SeriesUnits, step_sizes, typically_scaled
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
SERIES = [size * RANDOM.normal(size=(length, 3)).cumsum(axis=0) for size, length in ((1, 30), (50, 20), (900, 25))]
DATA = assembled(*SERIES, inputs=1, history=4, horizon=2, validation=5, test=4)


def test_the_size_of_a_step_is_a_mean_over_the_training_set() -> None:
    expected = []
    for begin, end in DATA.part("train"):
        values = DATA.values[begin:end, :2].astype(np.float64)
        expected.append(np.mean([abs(values[at] - values[at - 1]) for at in range(1, len(values))], axis=0))

    assert step_sizes(DATA) == pytest.approx(np.array(expected))


def test_a_series_without_a_step_has_the_mean_of_the_others() -> None:
    flat, late = np.full((30, 1), 7.0), np.ones((4, 1))
    data = assembled(np.arange(30.0), flat, late, 3 * np.arange(30.0), starts=[0, 0, 26, 0], validation=3, test=2)

    assert step_sizes(data)[:, 0] == pytest.approx([1, 2, 2, 3])
    assert step_sizes(assembled(flat, test=3)).tolist() == [[1.0]]


def test_several_series_have_the_scale_of_the_typical_one() -> None:
    layout = typically_scaled(DATA).layout

    deviations = [DATA.values[begin:end].std(axis=0) for begin, end in DATA.part("train")]
    assert layout.mean == [0, 0, 0]
    assert layout.deviation == pytest.approx(np.median(deviations, axis=0))
    one = assembled(SERIES[0], history=4)
    assert typically_scaled(one) is one


def test_no_scale_depends_on_values_after_the_training_set() -> None:
    later = ~inside(len(DATA.values), DATA.part("train"))
    changed = replace(DATA, values=np.where(later[:, np.newaxis], 1_000 * DATA.values, DATA.values))

    assert later.any()
    assert typically_scaled(changed).layout.deviation == typically_scaled(DATA).layout.deviation
    assert step_sizes(changed).tolist() == step_sizes(DATA).tolist()


def test_weights_put_errors_in_the_unit_of_their_series() -> None:
    starts = DATA.origins("train")
    units = SeriesUnits(DATA)
    scale = RANDOM.uniform(1, 2, size=(len(starts), 4))

    found = units.weights(starts, scale)

    own = (step_sizes(DATA) / DATA.layout.deviation[:2])[DATA.series_of(starts)]
    assert units.of(starts) == pytest.approx(np.column_stack([own, own]))
    assert found == pytest.approx((scale / np.column_stack([own, own])).mean(axis=1))
    assert SeriesUnits(assembled(SERIES[0], history=4)).weights(np.array([5, 6]), np.ones((2, 4))).tolist() == [1, 1]

"""Targets are scaled, and predictions restored, by NumPy and by the graph alike."""

import keras
import numpy as np
import pytest

from gristmill.domains.tabular.dataset import Values
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales, skewness, target_scale
from gristmill.errors import RequestError
from helpers.small_tables import of_table, prepared

TARGET = np.array([10.0, 20, 40, 80, 1000])
COUNTS = np.array([0.0, 0, 2, 5, 90])


@pytest.mark.parametrize("target", [TARGET, COUNTS])
@pytest.mark.parametrize("logarithm", [False, True])
def test_targets_come_back_and_have_mean_0_and_deviation_1(target: Values, logarithm: bool) -> None:
    scale = TargetScale.fit(target, logarithm)
    assert scale.scaled(target).mean() == pytest.approx(0, abs=1e-12)
    assert scale.scaled(target).std() == pytest.approx(1)
    assert scale.restored(scale.scaled(target)) == pytest.approx(target, abs=1e-9)


@pytest.mark.parametrize("target", [TARGET, COUNTS])
@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_the_graph_restores_what_numpy_restores(target: Values, logarithm: bool, clip: bool) -> None:
    scale = TargetScale.fit(target, logarithm, clip)
    given = keras.Input((1,))
    scaled = np.array([[-3.0], [-1], [0], [2], [9]], np.float32)
    restored = keras.Model(given, scale.restore_in_graph(given)).predict_on_batch(scaled)
    assert restored[:, 0] == pytest.approx(scale.restored(scaled[:, 0].astype(float)), rel=1e-5)


def test_predictions_leave_the_range_of_the_targets_by_a_tenth_of_it() -> None:
    assert TargetScale.fit(TARGET).restored(np.array([-99.0, 99])) == pytest.approx([10 - 99, 1000 + 99])
    assert TargetScale.fit(TARGET, clip=False).restored(np.array([-99.0]))[0] < -10_000
    highest = TargetScale.fit(TARGET, logarithm=True, clip=False).restored(np.array([99.0]))
    assert highest == pytest.approx([1000 * 100**0.1])


def test_equal_targets_have_deviation_1() -> None:
    assert TargetScale.fit(np.full(3, 7.0)).scaled(np.array([7.0, 8])).tolist() == [0, 1]


def test_logarithms_are_possible_if_no_target_is_negative() -> None:
    assert [(scale.logarithm, scale.offset) for scale in possible_scales(TARGET)] == [(False, 0), (True, 0)]
    assert [(scale.logarithm, scale.offset) for scale in possible_scales(COUNTS)] == [(False, 0), (True, 2)]
    assert [scale.logarithm for scale in possible_scales(TARGET - 11)] == [False]
    assert [scale.logarithm for scale in possible_scales(np.zeros(3))] == [False]
    with pytest.raises(RequestError, match=r"the target has negative values, such as -1\. Leave it out\."):
        TargetScale.fit(TARGET - 11, logarithm=True)


@pytest.mark.parametrize(
    ("target", "skewed", "logarithm"),
    [(TARGET, "log", True), (TARGET, "raw", False), (np.arange(1.0, 6), "log", False)],
)
def test_a_network_learns_logarithms_of_a_skewed_target_if_asked(target: Values, skewed: str, logarithm: bool) -> None:
    table = prepared().table.iloc[:5].assign(price=target)
    data = of_table(table, ["train"] * 5, ["size"], [], "price")
    assert target_scale(data, skewed).logarithm == logarithm
    assert target_scale(data, skewed).scaled(target).mean() == pytest.approx(0)


def test_skewness_is_positive_with_a_tail_to_the_right_and_0_for_equal_values() -> None:
    assert skewness(TARGET) > 1
    assert skewness(-TARGET) == pytest.approx(-skewness(TARGET))
    assert skewness(np.full(4, 2.0)) == 0

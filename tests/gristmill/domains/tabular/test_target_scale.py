"""Targets are scaled, and predictions restored, by NumPy and by the graph alike."""

import keras
import numpy as np
import pytest

from gristmill.domains.tabular.dataset import Values
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales, skewness, target_scale
from helpers.small_tables import of_table, prepared

TARGET = np.array([10.0, 20, 40, 80, 1000])


@pytest.mark.parametrize("logarithm", [False, True])
def test_targets_come_back_and_have_mean_0_and_deviation_1(logarithm: bool) -> None:
    scale = TargetScale.fit(TARGET, logarithm)
    assert scale.scaled(TARGET).mean() == pytest.approx(0)
    assert scale.scaled(TARGET).std() == pytest.approx(1)
    assert scale.restored(scale.scaled(TARGET)) == pytest.approx(TARGET)


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_the_graph_restores_what_numpy_restores(logarithm: bool, clip: bool) -> None:
    scale = TargetScale.fit(TARGET, logarithm, clip)
    given = keras.Input((1,))
    scaled = np.array([[-3.0], [-1], [0], [2], [9]], np.float32)
    restored = keras.Model(given, scale.restore(given)).predict_on_batch(scaled)
    assert restored[:, 0] == pytest.approx(scale.restored(scaled[:, 0].astype(float)), rel=1e-5)


def test_predictions_leave_the_range_of_the_targets_by_a_tenth_of_it() -> None:
    assert TargetScale.fit(TARGET).restored(np.array([-99.0, 99])) == pytest.approx([10 - 99, 1000 + 99])
    assert TargetScale.fit(TARGET, clip=False).restored(np.array([-99.0]))[0] < -10_000
    highest = TargetScale.fit(TARGET, logarithm=True, clip=False).restored(np.array([99.0]))
    assert highest == pytest.approx([1000 * 100**0.1])


def test_equal_targets_have_deviation_1() -> None:
    assert TargetScale.fit(np.full(3, 7.0)).scaled(np.array([7.0, 8])).tolist() == [0, 1]


def test_logarithms_are_possible_for_positive_targets_only() -> None:
    assert [scale.logarithm for scale in possible_scales(TARGET)] == [False, True]
    assert [scale.logarithm for scale in possible_scales(TARGET - 10)] == [False]


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

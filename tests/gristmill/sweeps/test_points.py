"""The points of a sweep: every combination, those that are listed, or some that are drawn."""

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gristmill.config.catalogue import load
from gristmill.settings.sweep import Sweep
from gristmill.sweeps import points


def assigned(text: str) -> list[tuple[str, ...]]:
    """The points of a sweep that lines of TOML give."""
    return list(points.assignments(Sweep.model_validate(tomllib.loads(text))))


def drawn(text: str) -> list[Any]:
    """The values that a sweep of one key draws."""
    found = [tomllib.loads(f"value = {point.partition('=')[2]}")["value"] for (point,) in assigned(text)]
    assert found
    return found


def test_a_grid_has_every_combination_the_last_axis_turning_fastest() -> None:
    assert assigned("train.epochs = [1, 2]\nmodel.units = [[3], [4, 5]]") == [
        ("train.epochs=1", "model.units=[3]"),
        ("train.epochs=1", "model.units=[4, 5]"),
        ("train.epochs=2", "model.units=[3]"),
        ("train.epochs=2", "model.units=[4, 5]"),
    ]


def test_whole_tables_are_an_axis_beside_others() -> None:
    assert assigned(
        "model = [{ kind = 'linear' }, { kind = 'dense', units = [3] }]\naugment = [{}]\ntrain.seed = [1]"
    ) == [
        ('model={ kind = "linear" }', "augment={}", "train.seed=1"),
        ('model={ kind = "dense", units = [3] }', "augment={}", "train.seed=1"),
    ]


def test_listed_points_are_those_alone_and_a_table_with_a_kind_is_set_as_a_whole() -> None:
    text = (
        "points = [{}, { train = { epochs = 3, seed = 4 } }, { model = { kind = 'linear' }, train = { epochs = 5 } }]"
    )
    assert assigned(text) == [
        (),
        ("train.epochs=3", "train.seed=4"),
        ('model={ kind = "linear" }', "train.epochs=5"),
    ]


def test_more_draws_leave_the_first_as_they_are() -> None:
    axes = "train.learning_rate = { low = 1e-4, high = 1e-2, log = true }\nmodel.units = [[1], [2], [3]]\n"
    many = assigned(f"draws = 40\n{axes}")
    assert assigned(f"draws = 7\n{axes}") == many[:7]
    assert assigned(f"draws = 7\nseed = 43\n{axes}") != many[:7]
    assert {point[1] for point in many} == {"model.units=[1]", "model.units=[2]", "model.units=[3]"}


def test_whole_numbers_are_drawn_between_whole_ones_both_ends_among_them() -> None:
    numbers = drawn("draws = 200\ntrain.epochs = { low = 3, high = 6 }")
    assert set(numbers) == {3, 4, 5, 6}
    assert set(map(type, numbers)) == {int}
    by_powers = drawn("draws = 400\ntrain.epochs = { low = 1, high = 3, log = true }")
    assert set(by_powers) == {1, 2, 3}


def test_as_many_are_drawn_from_each_power_of_ten_where_a_range_is_logarithmic() -> None:
    numbers = drawn("draws = 3000\ntrain.learning_rate = { low = 1e-5, high = 1e-2, log = true }")
    for power in (-5, -4, -3):
        share = sum(power <= math.log10(number) < power + 1 for number in numbers) / len(numbers)
        assert share == pytest.approx(1 / 3, abs=0.03)
    evenly = drawn("draws = 3000\ntrain.learning_rate = { low = 1e-5, high = 1e-2 }")
    assert sum(number < 5e-3 for number in evenly) / len(evenly) == pytest.approx(0.5, abs=0.03)


def test_a_drawn_fraction_has_four_digits_and_lies_in_its_range() -> None:
    numbers = drawn("draws = 300\ntrain.learning_rate = { low = 0.5, high = 1 }")
    assert all(0.5 <= number <= 1 and number == float(f"{number:.4g}") for number in numbers)


def test_every_point_can_be_set(project: Path) -> None:
    axes = "model = [{ kind = 'dense', units = [3] }]\ntrain.learning_rate = { low = 1e-9, high = 1.0, log = true }"
    for point in assigned(f"draws = 5\n{axes}"):
        values = load(project, {"small": point}).pipeline("small").values()
        assert (values["model"]["units"], values["train"]["learning_rate"] > 0) == ([3], True)

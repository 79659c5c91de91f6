"""The table `sweep`: it says what to try, in one way, and names what it lacks."""

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.settings.selection import Range, Sweep
from gristmill.settings.validation import table_problems


def sweep(text: str) -> Sweep:
    """The table that lines of TOML give."""
    return Sweep.model_validate(tomllib.loads(text))


def problems(text: str) -> list[str]:
    """The mistakes in a table."""
    with pytest.raises(ValidationError) as raised:
        sweep(text)
    return [problem.line for problem in table_problems(raised.value, Sweep)]


def test_one_training_of_every_combination_is_what_is_tried_if_nothing_else_is_said() -> None:
    found = sweep("model.units = [[128], [512]]")
    assert (found.seeds, found.draws, found.points) == (1, None, ())
    assert found.model_extra == {"model": {"units": ([128], [512])}}


def test_whole_tables_ranges_and_values_stand_side_by_side() -> None:
    found = sweep(
        "draws = 3\nmodel = [{kind = 'linear'}, {}]\ntrain = {epochs = [1, 2], learning_rate = {low = 1, high = 2}}"
    )
    assert found.model_extra == {
        "model": ({"kind": "linear"}, {}),
        "train": {"epochs": (1, 2), "learning_rate": Range(low=1, high=2)},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "points, or axes such as model.units = [[128], [512]]: one of the two"),
        (
            "points = [{}]\nmodel.units = [[1]]",
            "points, or axes such as model.units = [[128], [512]]: one of the two",
        ),
        ("draws = 2\npoints = [{}]", "no draws where points are listed"),
        ("train.epochs = {low = 1, high = 2}", "draws, the number of points, since a range is drawn from"),
        (
            "train.epochs = 3",
            "values to try as train.epochs in an array, such as [1, 2]",
        ),
        (
            "train = { seed = [1], epochs = [] }",
            "values to try as train.epochs in an array, such as [1, 2]",
        ),
    ],
)
def test_what_is_to_be_tried_is_said_in_one_way(text: str, said: str) -> None:
    assert problems(text) == [f"expected {said}."]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("train = []", "train"),
        ("train = 3", "train"),
        ("points = [3]", "points[0]"),
        ("points = [{train = 3}]", "points[0]"),
        ("seeds = 0\ntrain.epochs = [1]", "seeds"),
        ("draws = 0\ntrain.epochs = [1]", "draws"),
        ("seed = -1\ntrain.epochs = [1]", "seed"),
    ],
)
def test_a_mistake_is_told_by_its_key(text: str, key: str) -> None:
    assert {line.partition(": expected ")[0] for line in problems(text)} == {key}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"low": 2, "high": 2}, "a low below high"),
        ({"low": 0.0, "high": 1.0, "log": True}, "a low above 0, since log = true"),
    ],
)
def test_a_range_without_numbers_in_it_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Range.model_validate(given)

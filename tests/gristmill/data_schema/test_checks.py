"""Every rule is told of what breaks it, by row and value, and of nothing that holds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.data_schema.checks import (
    Violation,
    bound_violations,
    check_violations,
    class_violations,
    column_violations,
    frequency_violations,
)
from gristmill.errors import DataError
from gristmill.settings.data_schema import Bounds, Cells, TableSchema

SCHEMA = TableSchema(file="schemas/shop.toml")


def where(position: int) -> str:
    return f"shop.csv row {position + 2}"


def broken(cells: list[Any], **rules: Any) -> list[tuple[str, str]]:
    """What of a column breaks its rules, and the rules."""
    found = column_violations(pd.DataFrame({"a": cells}), {"a": Cells.model_validate(rules)}, where)
    return [(violation.received, violation.rule) for violation in found]


@pytest.mark.parametrize(
    ("cells", "rules", "said", "rule"),
    [
        ([1.0, 7.0, 9.5], {"max": 5}, "row 3, column 'a': 7 (2 of 3 cells)", "max = 5"),
        ([1.0, -0.5, np.nan], {"min": 0}, "row 3, column 'a': -0.5 (1 of 3 cells)", "min = 0"),
        ([1.0, np.nan, np.nan], {"missing": 0.5}, "row 3, column 'a': empty (2 of 3 cells)", "missing = 0.5"),
        (["x", "", "y"], {"missing": 0}, "row 3, column 'a': empty (1 of 3 cells)", "missing = 0"),
        ([1.0, 2.5, np.nan], {"type": "integer"}, "row 3, column 'a': 2.5 (1 of 3 cells)", "type = 'integer'"),
        (["1", "two", None], {"type": "number"}, "row 3, column 'a': 'two' (1 of 3 cells)", "type = 'number'"),
        (["1", "9", None], {"max": 5}, "row 3, column 'a': '9' (1 of 3 cells)", "max = 5"),
        (["x", "z", None], {"values": ["x", "y"]}, "row 3, column 'a': 'z' (1 of 3 cells)", "values = ['x', 'y']"),
        ([1, 2, None], {"values": ["1"]}, "row 3, column 'a': 2 (1 of 3 cells)", "values = ['1']"),
    ],
)
def test_a_broken_rule_is_told_with_the_first_cell_that_breaks_it(
    cells: list[Any], rules: dict[str, Any], said: str, rule: str
) -> None:
    assert broken(cells, **rules) == [(f"shop.csv {said}", f"[columns.a] has {rule}")]


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ([0.0, 5.0, np.nan], {"type": "integer", "min": 0, "max": 5}),
        ([0.5, np.nan], {"type": "number", "missing": 0.5}),
        (["x", "", None], {"values": ["x"]}),
        ([1, 2, None], {"values": ["1", "2"]}),  # which the empty cell has made 1.0 and 2.0
        (["x", None], {}),
    ],
)
def test_what_holds_is_not_told_of(cells: list[Any], rules: dict[str, Any]) -> None:
    assert broken(cells, **rules) == []


def test_a_column_that_is_not_read_breaks_nothing() -> None:
    assert list(column_violations(pd.DataFrame({"a": [1.0]}), {"b": Cells(max=0)}, where)) == []


def test_a_name_of_a_column_is_quoted_as_in_the_file() -> None:
    (found,) = column_violations(pd.DataFrame({"a b": [1.0]}), {"a b": Cells(max=0)}, where)
    assert found.rule == '[columns."a b"] has max = 0'


@given(st.lists(st.floats(-10, 10) | st.none(), min_size=1, max_size=8), st.floats(-10, 10), st.floats(-10, 10))
def test_bounds_are_those_of_a_loop(cells: list[float | None], low: float, high: float) -> None:
    low, high = sorted((low, high))
    values = pd.Series(cells, dtype="float64")
    found = {
        violation.rule.split()[2] for violation in bound_violations("width", values, Bounds(min=low, max=high), str)
    }

    below = any(value is not None and value < low for value in cells)
    above = any(value is not None and value > high for value in cells)
    assert found == {*(["min"] if below else []), *(["max"] if above else [])}


def test_classes_have_enough_examples_and_none_comes_unannounced() -> None:
    counts = {"ants": 9, "bees": 10, "wasps": 1}

    assert list(class_violations(counts, {})) == []
    assert list(class_violations(counts, {"ants": 9, "bees": 10, "wasps": 0})) == []
    assert list(class_violations(counts, {"ants": 10, "bees": 10, "flies": 1})) == [
        Violation("class 'ants': 9 examples", "[classes] has ants = 10"),
        Violation("class 'flies': 0 examples", "[classes] has flies = 1"),
        Violation("class 'wasps': 1 examples", "[classes] does not list it"),
    ]


def test_a_frequency_is_the_expected_one_or_none_is_expected() -> None:
    assert list(frequency_violations("MS", None)) == list(frequency_violations("MS", "MS")) == []
    assert list(frequency_violations("D", "MS")) == [
        Violation("the frequency of the times is 'D'", "has frequency = 'MS'")
    ]


def test_all_violations_are_told_at_once_and_a_great_many_counted() -> None:
    check_violations([], SCHEMA)
    with pytest.raises(DataError) as one:
        check_violations([Violation("row 3: 7", "[columns.a] has max = 5")], SCHEMA)
    with pytest.raises(DataError) as many:
        check_violations([Violation(f"row {row}: 7", "[columns.a] has max = 5") for row in range(25)], SCHEMA)

    told = "row 3: 7; schemas/shop.toml [columns.a] has max = 5."
    assert str(one.value) == f"{told} Fix the data, or edit the schema."
    lines = str(many.value).splitlines()
    assert (len(lines), lines[3]) == (21, told)
    assert lines[-1] == "and 5 more: 25 rules are broken. Fix the data, or edit the schema."

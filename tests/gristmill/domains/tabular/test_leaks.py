"""Tests of columns that determine the target."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.leaks import derived_columns, find_leaks

ROWS = 200


def numbers() -> pd.DataFrame:
    """Return independent columns, rounded as in a file."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.normal(50, 10, ROWS).round(2),
            "b": rng.gamma(2, 10, ROWS).round(2) + 0.01,
            "c": rng.normal(0, 1, ROWS),
            "d": rng.integers(0, 50, ROWS).astype(float),
        }
    )


@pytest.mark.parametrize(
    ("target", "relation"),
    [
        (lambda x: x.a, "equals 'a'"),
        (lambda x: (1.8 * x.a + 32).round(1), "is a linear function of 'a'"),
        (lambda x: np.log(x.a).round(4), "is the logarithm of 'a'"),
        (lambda x: np.exp(x.c), "is the exponential of 'c'"),
        (lambda x: x.d**2, "is a power of 'd'"),
        (lambda x: x.a + x.b, "is 'a' + 'b'"),
        (lambda x: x.b - x.a, "is 'b' - 'a'"),
        (lambda x: (x.a * x.b).round(1), "is 'a' * 'b'"),
        (lambda x: (x.a / x.b).round(3), "is 'a' / 'b'"),
        (lambda x: ((x.a + x.b) / 2).round(2), "is a weighted sum of 'a' and 'b'"),
        (lambda x: x.a + x.b + x.c + x.d, "is the sum of 'a', 'b', 'c', 'd'"),
    ],
)
def test_functions_of_columns_are_found(target, relation):
    table = numbers()
    assert [leak.relation for leak in find_leaks(target(table).rename("y"), table, list(table))] == [relation]


@pytest.mark.parametrize("noise", [0.01, 0.1, 1])
def test_functions_with_something_left_are_no_leaks(noise):
    table = numbers()
    target = (table.a + table.b + noise * np.random.default_rng(1).normal(size=ROWS)).rename("y")
    assert find_leaks(target, table, list(table)) == []


def test_bins_and_codes_of_classes_are_found():
    table = numbers()
    target = pd.Series(np.where(table.a > 50, "high", "low"), name="y")
    table["code"] = np.where(table.a > 50, "1", "2")
    table["other"] = np.where(table.b > 20, "1", "2")
    found = find_leaks(target, table, ["a", "b", "c", "d"])
    assert [leak.relation for leak in found] == ["is a bin of 'a'", "has one class for each value of 'code'"]


def test_bins_of_a_number_are_found():
    table = numbers()
    inputs = pd.DataFrame({"band": pd.cut(table.a, 4).astype(str), "b": table.b})
    assert [leak.columns for leak in find_leaks(table.a.rename("y"), inputs, ["b"])] == [("band",)]


def test_groups_apart_from_each_other_are_no_bins():
    size = np.concatenate([np.linspace(1, 2, 50), np.linspace(5, 6, 50)])
    target = pd.Series(["small"] * 50 + ["large"] * 50, name="y")
    assert find_leaks(target, pd.DataFrame({"size": size}), ["size"]) == []


def test_all_rows_must_agree():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(size=5_000), "b": rng.normal(size=5_000)})
    target = (table.a + table.b).rename("y")
    assert len(find_leaks(target, table, ["a", "b"])) == 1
    target[1] += 1  # not among the rows that are searched first
    assert find_leaks(target, table, ["a", "b"]) == []


def test_later_functions_of_a_column_are_derived():
    table = numbers()
    table = table.assign(log_a=np.log(table.a).round(3), a_squared=table.a**2)
    assert derived_columns(table) == {"log_a": "a", "a_squared": "a"}

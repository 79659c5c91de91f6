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
        (lambda x: np.log1p(x.d), "is the logarithm of 'd' + 1"),
        (lambda x: np.expm1(x.c), "is the exponential of 'c', minus 1"),
        (lambda x: x.a + x.b + x.c + x.d, "is the sum of 'a', 'b', 'c', 'd'"),
        (lambda x: x.b - x.a - x.d, "is 'b' - 'a' - 'd'"),
        (lambda x: ((x.a + x.b + x.d) / 3).round(2), "is the mean of 'a', 'b', 'd'"),
        (lambda x: (x.a + x.b - x.c) * 7, "is a multiple of 'a' + 'b' - 'c'"),
    ],
)
def test_functions_of_columns_are_found(target, relation):
    table = numbers()
    assert [leak.relation for leak in find_leaks(target(table).rename("y"), table, list(table))] == [relation]


@pytest.mark.parametrize(
    ("target", "relation"),
    [
        (lambda x: x.i + x.j + x.k, "is the sum of 'i', 'j', 'k'"),
        (lambda x: 25 + x.i - x.j - x.k, "is 'i' - 'j' - 'k'"),
        (lambda x: ((x.i + x.j + x.k) / 3).round(2), "is the mean of 'i', 'j', 'k'"),
        (lambda x: (100 * x.sold / x.made).round(), "is 'sold' / 'made'"),
        (lambda x: (x.sold / x.made).round(2), "is 'sold' / 'made'"),
        (lambda x: (x.weight / x.height**2 * 10_000).round(1), "is a product of powers of 'height' and 'weight'"),
    ],
)
def test_functions_of_counts_are_found(target, relation):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.integers(0, 5, ROWS) for name in ("i", "j", "k")}, dtype=float)
    table["made"] = rng.integers(20, 90, ROWS).astype(float)
    table["sold"] = (table.made * rng.uniform(0.05, 1, ROWS)).round() + 1
    table["height"], table["weight"] = rng.normal(170, 9, ROWS).round(), rng.normal(75, 12, ROWS).round(1)
    assert [leak.relation for leak in find_leaks(target(table).rename("y"), table, list(table))] == [relation]


def test_days_between_two_dates_are_found():
    rng = np.random.default_rng(0)
    ordered = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, ROWS), "D")
    days = rng.integers(1, 30, ROWS)
    delivered = ordered + pd.to_timedelta(days, "D")
    table = pd.DataFrame({"a": rng.normal(size=ROWS), "ordered": ordered, "delivered": delivered})
    table = table.assign(ordered=ordered.strftime("%Y-%m-%d"), delivered=delivered.strftime("%Y-%m-%d"))
    (leak,) = find_leaks(pd.Series(days, name="y"), table, ["a"])
    assert leak.relation == "is the time from 'ordered' to 'delivered'"
    assert find_leaks(pd.Series(rng.permutation(days), name="y"), table, ["a"]) == []


@pytest.mark.parametrize("seed", range(40))
def test_random_small_numbers_are_no_functions_of_each_other(seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(30, 300), rng.integers(2, 12)
    table = pd.DataFrame(rng.integers(0, rng.integers(2, 12), (rows, columns)), dtype=float).add_prefix("x")
    target = pd.Series(rng.integers(0, 30, rows), name="y", dtype=float)
    assert find_leaks(target, table, list(table)) == []
    assert find_leaks((table.sum(axis=1) + rng.integers(0, 3, rows)).rename("y"), table, list(table)) == []


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


def test_a_number_that_grows_with_the_years_has_no_bins():
    rng = np.random.default_rng(0)
    total = np.cumsum(rng.uniform(1, 3, ROWS)).round(1)
    table = pd.DataFrame({"year": 2000.0 + np.arange(ROWS) // 20, "phase": np.repeat(["early", "late"], ROWS // 2)})
    assert find_leaks(pd.Series(total, name="y"), table, ["year"]) == []
    shuffled = rng.permutation(ROWS)
    found = find_leaks(pd.Series(total, name="y")[shuffled], table.iloc[shuffled], ["year"])
    assert [leak.columns for leak in found] == [("phase",)]


def test_a_column_whose_values_have_one_class_each_may_be_an_honest_input():
    rng = np.random.default_rng(0)
    odour = pd.Series(rng.choice(["foul", "fishy", "almond", "none"], ROWS))
    target = odour.isin(["foul", "fishy"]).map({True: "poisonous", False: "edible"})
    assert find_leaks(target, odour.to_frame("odour"), []) == []


def test_flags_of_all_classes_are_found():
    rng = np.random.default_rng(0)
    kinds = pd.Series(rng.choice(["ant", "bee", "cat"], ROWS), name="y")
    flags = pd.DataFrame({f"is_{kind}": (kinds == kind).astype(float) for kind in ("ant", "bee")})
    flags["other"] = rng.integers(0, 2, ROWS).astype(float)
    (leak,) = find_leaks(kinds, flags, list(flags))
    assert (leak.columns, leak.relation) == (("is_ant", "is_bee"), "has a column for each class: 'is_ant', 'is_bee'")
    assert find_leaks(kinds, flags[["is_ant", "other"]], ["is_ant", "other"]) == []


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

"""Rows are divided as asked: at random, in the order of time, by group, or by a column."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.tabular.settings import Preprocess
from gristmill.domains.tabular.split import split, times
from gristmill.errors import DataError, RequestError


def parts_of(table: pd.DataFrame, part: str | None = None, labels: Any = None, **settings: Any) -> npt.NDArray[Any]:
    given = np.zeros(len(table), np.int64) if labels is None else np.asarray(labels)
    names = ["the target"] if labels is None else [f"class {at}" for at in range(int(given.max()) + 1)]
    when = table["day"].to_numpy() if "day" in table else np.arange(len(table))
    return split(table, Preprocess(**settings), part, given, names, when)[0]


def rows(count: int) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(float(count))})


def test_the_last_rows_are_tested_and_those_before_them_validate() -> None:
    parts = parts_of(rows(10), validation=0.2, test=3, split="last")
    assert parts.tolist() == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3


def test_rows_of_one_time_are_in_the_later_of_two_sets() -> None:
    days = pd.DataFrame({"day": [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]})
    parts = parts_of(days, time="day", validation=2, test=2, split="last")
    assert parts.tolist() == ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
    with pytest.raises(DataError, match=r"0 rows left to train on, .* column 'day' has 2 different times"):
        parts_of(days[:6], time="day", validation=2, test=1, split="last")


def test_a_class_whose_rows_are_all_among_the_last_is_an_error() -> None:
    labels = [0] * 8 + [1] * 2
    with pytest.raises(DataError, match=r"the training set has no row of class 'class 1', because its 2 rows are"):
        parts_of(rows(10), labels=labels, validation=0.2, test=2, split="last")
    assert set(parts_of(rows(10), labels=labels[::-1], validation=0.2, test=2, split="last")[:2]) == {"train"}


@pytest.mark.parametrize("bad", ["5 May", "2020-02-30", "2020-01-10T25:10", "2020-01-10T10:60"])
def test_a_time_that_cannot_be_read_is_named(bad: str) -> None:
    with pytest.raises(DataError, match=rf"preprocess\.time: column 'day' holds '{bad}' \(2 of 7 cells\)"):
        times(pd.DataFrame({"day": ["2024-03-01"] * 5 + [bad, "6 May"]}), "day")


def test_the_latest_time_has_seven_digits_of_a_second() -> None:
    days = ["2024-03-01", "9999-12-31T23:59:59.9999999"]
    assert times(pd.DataFrame({"day": days}), "day").is_monotonic_increasing


@given(count=st.integers(4, 50), seed=st.integers(0, 9))
def test_a_random_split_has_the_same_sizes_and_its_seed(count: int, seed: int) -> None:
    settings = {"validation": 1, "test": 0.01, "seed": seed}
    parts = parts_of(rows(count), **settings)
    assert sorted(parts) == ["test"] + ["train"] * (count - 2) + ["validation"]
    assert (parts_of(rows(count), **settings) == parts).all()


def test_another_seed_draws_other_rows_anywhere_in_the_table() -> None:
    drawn = [np.flatnonzero(parts_of(rows(100), test=10, seed=seed) == "test").tolist() for seed in (1, 2)]
    assert drawn[0] != drawn[1]
    assert min(drawn[0]) < 50


def test_each_class_is_divided() -> None:
    labels = np.array([0] * 80 + [1] * 20)
    parts = parts_of(rows(100), labels=labels, validation=0.1, test=0.2)
    assert [(parts[labels == label] == "test").sum() for label in (0, 1)] == [16, 4]
    assert [(parts[labels == label] == "validation").sum() for label in (0, 1)] == [8, 2]


def test_rows_of_a_group_stay_together_and_empty_cells_are_no_group() -> None:
    customers = [f"c{number}" for number in range(20) for _ in range(4)] + [""] * 20
    parts = parts_of(pd.DataFrame({"customer": customers}), group="customer", test=0.3)
    by_customer = pd.Series(parts[:80]).groupby(customers[:80]).nunique()
    assert (by_customer == 1).all()
    assert 20 <= (parts == "test").sum() <= 40
    assert len(set(parts[80:])) > 1


@pytest.mark.parametrize("how", ["random", "last"])
def test_a_column_may_name_the_parts_of_some_rows(how: str) -> None:
    table = pd.DataFrame({"set": ["Test", "train", "", "valid", *["train"] * 6]})
    parts = parts_of(table, "set", split=how, validation=0.5, test=0.5)
    assert parts.tolist() == ["test", "train", "train", "validation", *["train"] * 6]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"has 3 rows to train on, of which validation takes 1 and test takes 1: fewer than two are left",
    ):
        parts_of(rows(3), validation=1, test=1)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    table = pd.DataFrame({"customer": ["a"] * 10})
    with pytest.raises(RequestError, match=r"preprocess\.group: .*'custmer'.*Did you mean 'customer'\?"):
        parts_of(table, group="custmer")
    with pytest.raises(RequestError, match=r"preprocess\.time: .*'custmer'.*Did you mean 'customer'\?"):
        times(table, "custmer")


@pytest.mark.parametrize(
    ("customers", "labels", "said"),
    [
        (
            ["a"] * 9,
            None,
            "has 1 value, and the rows of a value stay in one set: no test row is left. Add rows of other",
        ),
        (["a", *"b" * 8], [0, *[1] * 8], "has 2 values, and .*: no test row is left"),
    ],
)
def test_too_few_groups_are_told_with_their_column(customers: list[str], labels: Any, said: str) -> None:
    table = pd.DataFrame({"customer": customers})
    with pytest.raises(DataError, match=f"^preprocess.group: column 'customer' {said}"):
        parts_of(table, labels=labels, group="customer")
    with pytest.raises(DataError, match=r": no test row is left\."):
        parts_of(table, labels=labels, group="customer", validation=0, test=0.75)


def test_a_class_without_a_row_to_train_on_is_told() -> None:
    table = pd.DataFrame({"set": ["", "", "", "test", "test", "test"]})
    with pytest.raises(DataError, match=r"^class 'class 1' has no row in the source's training set\."):
        parts_of(table, "set", labels=[0, 0, 0, 1, 1, 0], validation=0)


def test_a_group_in_several_named_sets_is_refused() -> None:
    table = pd.DataFrame(
        {"set": ["test", "train", "train", "train"] * 5, "customer": [*"abcd", *"abca"] * 2 + [*"efgh"]}
    )
    found = "1 value of column 'customer', such as 'a', found in several of the sets that column 'set' names"
    with pytest.raises(DataError, match=rf"^preprocess\.group: {found}"):
        parts_of(table, "set", group="customer")


@pytest.mark.parametrize("settings", [{"time": "t"}, {"group": "g", "split": "last"}])
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"split = "):
        Preprocess(**settings)

"""Examples are known by their content: what is new, what has changed, and what nobody was trained on."""

import math
import subprocess
import sys

import pandas as pd
import pytest

from gristmill.retraining.example_diff import CONTENT, compare_examples, diff_examples, diff_rows, unseen_examples
from gristmill.runs.retraining_record import DataChanges


def said(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[CONTENT, "label"], dtype="str")


def test_examples_are_counted_that_came_changed_or_went() -> None:
    before = said(("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"))

    found = compare_examples(said(("c", "x"), ("b", "y"), ("e", "x"), ("a", "x"), ("f", "y")), before)

    assert found == DataChanges(later=2, revised=1, removed=1)
    assert compare_examples(before.iloc[::-1], before).rows == 0
    assert compare_examples(before, None) == DataChanges(later=4)


def test_equal_examples_are_counted_as_often_as_they_come_more() -> None:
    once, thrice = said(("a", "x"), ("b", "x")), said(("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"))

    assert compare_examples(thrice, once) == DataChanges(later=2)
    assert compare_examples(once, thrice) == DataChanges(later=0, removed=2)
    assert compare_examples(said(("a", "y")), said(("a", "x"))) == DataChanges(later=0, revised=1)


def test_the_examples_that_differ_are_listed_in_their_order_with_both_labels() -> None:
    before = said(("a", "x"), ("b", "x"), ("b", "x"), ("d", "y")).assign(id=["1", "2", "3", "4"])
    now = said(("e", "x"), ("b", "y"), ("a", "x"), ("b", "x"), ("a", "x")).assign(id=["5", "6", "1", "2", "7"])

    found = diff_examples(now, before, [CONTENT, "label"])

    assert [tuple(row) for row in found.reset_index().fillna("").itertuples(index=False)] == [
        ("added", "x", "5", ""),
        ("changed", "y", "6", "x"),
        ("lost", "", "4", "y"),
        ("added", "x", "7", ""),
    ]
    assert list(found) == ["label", "id", "label before"]
    assert diff_examples(now, now, [CONTENT, "label"]).empty


def test_rows_that_differ_have_the_columns_that_both_tables_have() -> None:
    before = pd.DataFrame({"at": [1, 2, 3, 4], "y": [0.1, 0.2, math.nan, 0.4], "old": 0})
    now = pd.DataFrame({"at": [2, 3, 4, 5], "y": [0.2, math.nan, 0.5, 0.6], "new": 0})

    found = diff_rows(now, before, ["at"])

    assert [tuple(row) for row in found.reset_index().fillna(-1).itertuples(index=False)] == [
        ("lost", 1, -1, 0.1),
        ("changed", 4, 0.5, 0.4),
        ("added", 5, 0.6, -1),
    ]
    assert list(found) == ["at", "y", "y before"]
    assert found.attrs == {
        "before": " before",
        "not compared": {"new": "only version {now}", "old": "only version {before}"},
    }


def test_columns_may_have_any_name_and_change_their_type() -> None:
    before = pd.DataFrame({"_merge": ["a"], "y": [1.0], "y before": [0.0], "_at": ["x"]})
    now = pd.DataFrame({"_merge": ["a"], "y": [2.0], "y before": [0.0], "_at": [3.0]})

    found = diff_rows(now, before, ["_merge"])

    assert found.reset_index().to_dict("records") == [
        {
            "change": "changed",
            "_merge": "a",
            "y": 2.0,
            "y before": 0.0,
            "y before before": 1.0,
            "y before before before": 0.0,
        }
    ]
    assert found.attrs == {"before": " before before", "not compared": {"_at": "of another type"}}


def test_examples_are_judged_on_that_nobody_was_trained_on() -> None:
    tested = pd.Series(["a", "b", "c", "d"])
    assert unseen_examples(tested, pd.Series(["b", "x"]), pd.Series(["d"])).tolist() == [True, False, True, False]
    assert not unseen_examples(tested, tested).any()


@pytest.mark.slow
def test_to_find_nothing_new_takes_no_tensorflow() -> None:
    domains = ("generation", "tabular", "text", "vision")
    lines = [
        *(f"import gristmill.domains.{domain}.retraining" for domain in domains),
        "import sys",
        "print(*sys.modules)",
    ]
    done = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras"} & set(done.stdout.split())

"""Examples are known by their content: what is new, what has changed, and what nobody was trained on."""

import subprocess
import sys

import pandas as pd

from gristmill.retraining.example_diff import compare_examples, unseen_examples
from gristmill.runs.retraining_record import DataChanges


def said(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["content", "label"], dtype="str")


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


def test_examples_are_judged_on_that_nobody_was_trained_on() -> None:
    tested = pd.Series(["a", "b", "c", "d"])
    assert unseen_examples(tested, pd.Series(["b", "x"]), pd.Series(["d"])).tolist() == [True, False, True, False]
    assert not unseen_examples(tested, tested).any()


def test_to_find_nothing_new_takes_no_tensorflow() -> None:
    domains = ("generation", "tabular", "text", "vision")
    lines = [
        *(f"import gristmill.domains.{domain}.retraining" for domain in domains),
        "import sys",
        "print(*sys.modules)",
    ]
    done = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras"} & set(done.stdout.split())

"""Some examples of each cell are shown, with the most telling first."""

import pandas as pd
import pytest

from gristmill.domains.common.classification import examples
from gristmill.domains.common.classification.examples import pick_examples

TEST = pd.DataFrame(
    [
        ("a", "cat", "cat", 0.6),
        ("b", "cat", "cat", 0.9),
        ("c", "cat", "dog", 0.7),
        ("d", "dog", "cat", 0.8),
        ("e", "dog", "cat", 0.95),
        ("f", "dog", "dog", 0.5),
    ],
    columns=["id", "label", "predicted", "sure"],
).assign(part="test")
for name in ("cat", "dog"):
    TEST[f"p_{name}"] = TEST["sure"].where(TEST["predicted"] == name, 1 - TEST["sure"])
DOUBTED = pd.DataFrame(
    [("x", "validation", "cat", "dog", 0.9, 0.1)],
    columns=["id", "part", "label", "predicted", "probability", "probability_of_label"],
)


def test_errors_come_first_then_the_largest_cells_and_doubt_within_a_cell() -> None:
    shown = pick_examples(TEST, DOUBTED)

    by_use = {use: rows["id"].tolist() for use, rows in shown.groupby("shown")}
    assert by_use == {"errors": ["e", "d", "c"], "wrong labels": ["x"], "cells": ["e", "d", "c", "a", "b", "f"]}
    first = shown.iloc[0]
    assert (first["part"], first["probability"], first["probability_of_label"]) == ("test", 0.95, pytest.approx(0.05))


def test_the_number_of_cells_and_of_their_examples_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_MAX_CELLS", 3)
    monkeypatch.setattr(examples, "_MAX_IN_CELL", 1)

    shown = pick_examples(TEST, DOUBTED.head(0))

    assert shown["id"][shown["shown"] == "cells"].tolist() == ["e", "c", "a"]

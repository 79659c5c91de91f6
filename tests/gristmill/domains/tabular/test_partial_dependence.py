"""The mean prediction by the value of a feature."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.dataset import Layout, Prepared
from gristmill.domains.tabular.partial_dependence import MAX_FEATURES, partial_dependence


def test_the_dependence_of_a_sum_is_its_terms() -> None:
    area, towns = np.arange(30.0), ["Ulm", "Bonn", "Kiel"] * 10
    table = pd.DataFrame({"area": area, "town": towns, "price": 0.0})
    parts = np.array(["train"] * 20 + ["test"] * 10)
    layout = Layout("price", ["area"], {"town": ["Bonn", "Kiel", "Ulm"]}, {}, {})
    worth = {"Ulm": 10.0, "Bonn": 20.0, "Kiel": 40.0}

    found = partial_dependence(
        Prepared(table, parts, layout),
        ["town", "area"],
        lambda rows: (2 * rows["area"] + rows["town"].map(worth)).to_numpy(),
    )

    towns_found = found[found["feature"] == "town"].set_index("name")["prediction"]
    assert towns_found.to_dict() == pytest.approx({name: 2 * area[20:].mean() + value for name, value in worth.items()})
    areas = found[found["feature"] == "area"]
    assert areas["number"].tolist() == pytest.approx(np.quantile(area[:20], np.linspace(0.05, 0.95, 19)))
    of_test = np.mean([worth[town] for town in towns[20:]])
    assert areas["prediction"].tolist() == pytest.approx(2 * areas["number"] + of_test)


def test_the_cost_is_bounded() -> None:
    names = [f"x{at}" for at in range(12)]
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(3_000, 13)), columns=[*names, "y"])
    asked = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        asked.append(len(rows))
        return np.zeros(len(rows))

    found = partial_dependence(
        Prepared(table, np.array(["train", "test"] * 1_500), Layout("y", names, {}, {}, {})), names, predict
    )

    assert found["feature"].nunique() == len(asked) == MAX_FEATURES
    assert max(asked) <= 200 * 19


def test_of_many_classes_the_most_frequent_are_shown_and_an_empty_cell_is_a_value() -> None:
    classes = [f"c{at}" for at in range(9)]
    kind = [*classes[1:], *classes[1:], classes[0]]  # the training set does not have the first
    table = pd.DataFrame({"size": [np.nan, *range(16)], "seen": ["", *["2024-03-01"] * 16], "kind": kind})
    layout = Layout("kind", ["size"], {}, {}, {}, dates=["seen"], classes=classes)
    parts = np.array(["train"] * 15 + ["test"] * 2)

    found = partial_dependence(
        Prepared(table, parts, layout), ["size", "seen"], lambda rows: np.tile(np.arange(9.0), (len(rows), 1))
    )

    assert found["class"].unique().tolist() == classes[1:]
    assert found["prediction"].tolist() == pytest.approx([float(name[1:]) for name in found["class"]])
    first = found[found["class"] == "c1"]
    assert first.loc[first["feature"] == "seen", "name"].tolist() == ["2024-03-01", ""]
    assert np.isnan(first.loc[first["feature"] == "size", "number"].tolist()[-1])

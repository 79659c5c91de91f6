"""A small table with numbers, categories and a positive target, as `preprocess` writes it."""

import numpy as np
import pandas as pd

from gristmill.domains.tabular.dataset import Layout, Prepared
from gristmill.domains.tabular.preprocess import category_names, fit_scale

NUMBERS, CATEGORIES = ["size", "age"], ["town", "kind"]


def prepared(
    rows: int = 90,
    numbers: list[str] = NUMBERS,
    categories: list[str] = CATEGORIES,
    validation: int = 15,
    classes: int = 0,
) -> Prepared:
    """Return houses whose price is a curve of the size, less with age, and depends on the town.

    With classes, the target is the part of the prices that a price is in: "0" is the cheapest.
    """
    random = np.random.default_rng(1)
    size, age = random.uniform(20, 200, rows).round(1), random.integers(0, 100, rows) + 1900.0
    town, kind = random.choice(["Ulm", "Bonn", "Köln"], rows), random.choice(["flat", "house"], rows)
    price = 500 + 3 * size + 0.02 * (size - 90) ** 2 + 200 * (town == "Ulm") - (age - 1900) + random.normal(0, 5, rows)
    table = pd.DataFrame({"size": size, "age": age, "town": town, "kind": kind, "price": price})
    if classes:
        table["price"] = (
            (table["price"].rank(pct=True, method="first") * classes - 1e-9).astype(int).astype(str).astype(object)
        )
    table = table[[*numbers, *categories, "price"]]
    parts = np.repeat(["train", "validation", "test"], [rows - validation - 15, validation, 15])
    return of_table(table, parts, numbers, categories, "price")


def of_table(table: pd.DataFrame, parts: object, numbers: list[str], categories: list[str], target: str) -> Prepared:
    """Return a table with its layout."""
    given = np.asarray(parts)
    train = table[given == "train"]
    classes = sorted(table[target].unique()) if table[target].dtype == object else []
    mean, deviation = fit_scale(train[[*numbers, *([] if classes else [target])]], "standard")
    names = {name: category_names(train[name]) for name in categories}
    return Prepared(table, given, Layout(target, numbers, names, mean, deviation, classes=classes))

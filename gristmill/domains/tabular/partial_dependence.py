"""Partial dependence: the mean prediction of rows in which one feature is set to one value after another.

Source: Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5), 2001. The
cost is bounded: 8 features of 19 values in 200 rows are about 30,000 predictions.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular.dataset import MAX_NAMES, Prepared, Values

PARTIAL_DEPENDENCE_FILE = "partial_dependence.parquet"  # in the artifact of evaluate, with the importance
MAX_FEATURES = 8
MAX_CLASSES = 8

_MAX_ROWS = 200
_QUANTILES = np.linspace(0.05, 0.95, 19)


def partial_dependence(
    data: Prepared, features: Sequence[str], predict: Callable[[pd.DataFrame], Values]
) -> pd.DataFrame:
    """Return the mean prediction by `feature` and value: a `number` or, of a category or date, a `name`.

    `features` are columns other than texts, of which the first eight are shown. An empty cell has neither. `predict`
    returns the predictions of a table's rows. The rows are spread evenly over the test set, and the values of a feature
    are quantiles or the most frequent names of its training set. Of several classes, there are the mean probabilities
    of the most frequent ones, by `class`, but of two only that of the second.
    """
    test = data.table[data.parts == "test"]
    rows, trained = test.iloc[:: -(-len(test) // _MAX_ROWS)], data.table[data.parts == "train"]
    classes, tables = data.layout.classes or [""], []
    shown = [1] if len(classes) == 2 else _most_frequent(data) if data.layout.classes else [0]
    for feature in features[:MAX_FEATURES]:
        is_number = feature in data.layout.numbers
        grid = _numbers(trained[feature]) if is_number else _names(trained[feature], feature in data.layout.dates)
        grid += [np.nan if is_number else ""] * bool(trained[feature].isin([np.nan, ""]).any())
        varied = rows.loc[rows.index.repeat(len(grid))]
        varied[feature] = grid * len(rows)
        means = predict(varied).reshape(len(rows), len(grid), -1).mean(axis=0)
        values = {"number": grid, "name": ""} if is_number else {"number": np.nan, "name": grid}
        for at in shown:
            tables.append(
                pd.DataFrame({"feature": feature, **values, "prediction": means[:, at], "class": classes[at]})
            )
    return pd.concat(tables, ignore_index=True)


def _most_frequent(data: Prepared) -> list[int]:
    """Return the positions of the most frequent classes of the training set, in order."""
    counts = np.bincount(data.labels[data.at("train")], minlength=len(data.layout.classes))
    return sorted(np.argsort(-counts, kind="stable")[:MAX_CLASSES].tolist())


def _numbers(values: "pd.Series[float]") -> list[Any]:
    """Return the values of a grid: all values if there are few, else quantiles."""
    known = np.unique(values.dropna())
    return list(known if len(known) <= len(_QUANTILES) else np.unique(np.quantile(values.dropna(), _QUANTILES)))


def _names(values: "pd.Series[str]", is_date: bool) -> list[Any]:
    """Return the most frequent names of a grid; of dates, as many that are evenly spaced."""
    names = values[values != ""]
    if not is_date:
        return list(names.value_counts().index[:MAX_NAMES])
    known = np.unique(names.to_numpy(object))
    return list(known[evenly_spaced(len(known), MAX_NAMES)])

"""Partial dependence: the mean prediction of rows in which one feature is set to one value after another.

Source: Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5), 2001. The
cost is bounded: 8 features of 19 values in 200 rows are about 30,000 predictions.
"""

from collections.abc import Callable, Sequence

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
    shown = [1] if len(classes) == 2 else [0]
    if len(classes) > 2:
        counts = np.bincount(data.labels[data.at("train")], minlength=len(classes))
        shown = sorted(np.argsort(-counts, kind="stable")[:MAX_CLASSES].tolist())
    for feature in features[:MAX_FEATURES]:
        # 1. Choose all numbers or quantiles, the most frequent names or evenly spaced dates; and an empty cell.
        is_number, cells = feature in data.layout.numbers, trained[feature]
        empty = cells.isin([np.nan, ""])
        known = cells[~empty]
        values = np.unique(known.to_numpy())
        if is_number and len(values) > len(_QUANTILES):
            values = np.unique(np.quantile(known, _QUANTILES))
        elif feature in data.layout.dates:
            values = values[evenly_spaced(len(values), MAX_NAMES)]
        elif not is_number:
            values = known.value_counts().index[:MAX_NAMES].to_numpy()
        grid = [*values, *([np.nan if is_number else ""] if empty.any() else [])]
        # 2. Predict the rows with each of these values.
        varied = rows.loc[rows.index.repeat(len(grid))]
        varied[feature] = grid * len(rows)
        means = predict(varied).reshape(len(rows), len(grid), -1).mean(axis=0)
        named = {"number": grid, "name": ""} if is_number else {"number": np.nan, "name": grid}
        for at in shown:
            columns = {"feature": feature, **named, "prediction": means[:, at], "class": classes[at]}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)

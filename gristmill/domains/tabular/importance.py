"""How much each column of a table counts for a model's predictions."""

from typing import Any

import keras
import numpy as np

from gristmill.domains.common.permutation_importance import Order, importance, sample_positions
from gristmill.domains.tabular.dataset import Prepared, raw_inputs
from gristmill.domains.tabular.encoder import predicted
from gristmill.domains.tabular.scores import mae


def importance_of_columns(data: Prepared, network: keras.Model) -> dict[str, Any] | None:
    """Return the permutation importance of numbers and categories; None where there is one column alone.

    It is measured on the validation rows, where there are any, else on those of the test part.

    Args:
        data: the prepared rows.
        network: raw rows in, predictions out.
    """
    numbers, categories = data.layout.numbers, list(data.layout.categories)
    if len(numbers) + len(categories) < 2:
        return None
    part = "validation" if "validation" in data.parts else "test"
    rows = np.flatnonzero(data.parts == part)
    rows = rows[sample_positions(len(rows))]
    table, truth = data.table.iloc[rows], data.truth[rows]

    def error(column: str, order: Order) -> float:
        shuffled = table.copy()
        shuffled[column] = table[column].to_numpy()[order]
        return mae(truth, predicted(network, raw_inputs(shuffled, numbers, categories)))

    found = importance([*numbers, *categories], error, len(rows))
    return {"part": part, "metric": "mae", "of": "rows"} | found

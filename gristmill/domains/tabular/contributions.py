"""Contributions of the columns to single predictions: sampled Shapley values, of any model.

The columns of a training row take the values of the explained row one after another, in random order. The change of the
prediction at each step is the contribution of its column; it is averaged over training rows and orders. All steps
together lead from the training row's prediction to the row's own, so the contributions add up to the prediction minus
the mean prediction of these training rows, for every model.

If a model is a sum of functions of one column each, such as a linear one, the contribution of a column is exactly its
function's value minus the mean in these training rows. Otherwise it depends on the orders; every second one is the
reverse of that before, which cancels much of the noise.

Sources: Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions",
Knowledge and Information Systems 41(3), 2014; Lundberg and Lee, "A unified approach to interpreting model predictions",
NeurIPS 2017; reversed orders: Mitchell et al., "Sampling permutations for Shapley value estimation", JMLR 23(43), 2022.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.predictions import MIN_PROBABILITY
from gristmill.domains.tabular.dataset import Inputs, Values
from gristmill.monitoring.prediction_columns import BECAUSE
from gristmill.settings.number_text import format_numbers
from gristmill.training import progress
from gristmill.training.named_arrays import join_arrays, split_arrays

Cells = dict[str, npt.NDArray[Any]]  # by name of the network's input, (rows, columns)
Predict = Callable[[Inputs], Values]  # from the network's input for some rows to its outputs, (rows, outputs)

_MAX_ORDERS = 100  # and as many training rows; each takes up to one prediction per column
_MAX_ROWS_AT_ONCE, _MAX_CELLS_AT_ONCE = 16, 20_000_000
_MAX_REASONS, _MAX_LETTERS = 3, 40  # of the column `because`
_SEED = 0


def log_odds(probabilities: Values) -> Values:
    """Return the logarithm of the odds of each class, (rows, classes): 0 for a probability of one half."""
    others = probabilities.sum(axis=1, keepdims=True) - probabilities
    odds: Values = np.maximum(probabilities, MIN_PROBABILITY) / np.maximum(others, MIN_PROBABILITY)
    return np.log(odds)


def typical_rows(predict: Predict, rows: Inputs) -> Inputs:
    """Return at most 100 of the rows, whose predictions are distributed like those of all rows."""
    outputs = predict(rows)
    ranked = rows[np.lexsort((outputs.max(axis=1), outputs.argmax(axis=1)))]  # class by class; numbers have one output
    count = min(len(ranked), _MAX_ORDERS)
    return ranked[(2 * np.arange(count) + 1) * len(ranked) // (2 * count)]


def contributions(predict: Predict, rows: Inputs, typical: Inputs) -> tuple[Values, Values]:
    """Return the mean prediction of typical rows, (outputs,), and the contributions, (rows, columns, outputs).

    Columns are in the order of the network's inputs.
    """
    base, own, cells = predict(typical), predict(rows), split_arrays(typical)
    columns = sum(values.shape[1] for values in cells.values())
    blocks = []
    at_once = max(1, min(_MAX_ROWS_AT_ONCE, _MAX_CELLS_AT_ONCE // (len(typical) * columns**2)))
    for begin in range(0, len(rows), at_once):
        progress.report_work("explain", f"{begin:,} of {len(rows):,} rows", logged=False)
        block = slice(begin, begin + at_once)
        blocks.append(_explain_block(predict, split_arrays(rows[block]), own[block], cells, base))
    return base.mean(axis=0), np.concatenate(blocks)


def _explain_block(predict: Predict, rows: Cells, own: Values, typical: Cells, base: Values) -> Values:
    """Return the contributions to the predictions `own` of rows; `base` are those of typical rows."""
    # 1. Find the steps at which a row's cell differs from that of a typical row.
    differs = np.concatenate([rows[role][:, np.newaxis] != typical[role] for role in rows], axis=2)
    # Random orders of the columns, (count, columns); every second one is the reverse of that before.
    random, drawn = np.random.default_rng(_SEED), list[Any]()
    while len(drawn) < len(base):
        order = random.permutation(differs.shape[2])
        drawn += [order, order[::-1]]
    orders = np.stack(drawn[: len(base)])
    rank = orders.argsort(axis=1)  # (orders, columns): the step at which a column takes the row's value
    changes = np.take_along_axis(differs, orders[np.newaxis], axis=2)  # (rows, orders, steps)
    count = changes.cumsum(axis=2)
    total = count[:, :, -1:]
    # 2. Predict each mixture of both. Predictions are kept by the number of changes so far, since a step that changes
    # nothing needs none.
    values = np.empty((*count.shape[:2], count.shape[2] + 1, own.shape[1]))
    values[:, :, 0] = base
    np.put_along_axis(values, total[..., np.newaxis], own[:, np.newaxis, np.newaxis], axis=2)
    row, order, step = np.nonzero(changes & (count < total))
    if len(row):
        is_taken = rank[order] <= step[:, np.newaxis]
        ends = np.cumsum([cells.shape[1] for cells in rows.values()])
        mixed = {}
        for (role, cells), taken in zip(rows.items(), np.split(is_taken, ends[:-1], axis=1), strict=True):
            mixed[role] = np.where(taken, cells[row], typical[role][order])
        values[row, order, count[row, order, step]] = predict(join_arrays(mixed))
    # 3. A contribution is the mean change at the step of its column.
    after, before = (np.take_along_axis(values, at[..., np.newaxis], axis=2) for at in (count, count - changes))
    return np.asarray(np.take_along_axis(after - before, rank[np.newaxis, :, :, np.newaxis], axis=2).mean(axis=1))


def explanations(table: pd.DataFrame, base: Values, by_output: Values, outputs: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return `because`, `base_value` and `contribution_<column>` of rows, given the contributions to all outputs.

    Args:
        table: the columns of the rows, in the order of the network's inputs.
        base: the mean prediction of typical rows, (outputs,).
        by_output: the contributions, (rows, columns, outputs).
        outputs: the output to explain for each row, (rows,).
    """
    explained = by_output[np.arange(len(table)), :, outputs]
    names, because = list(map(str, table)), []
    for cells, row in zip(table.to_numpy(object), explained, strict=True):
        largest = np.argsort(-np.abs(row), kind="stable")[:_MAX_REASONS]
        signed = format_numbers(row[largest].tolist(), digits=3, sign=True)
        reasons = zip(largest, signed, strict=True)
        because.append("; ".join(f"{_describe_cell(names[at], cells[at])} ({change})" for at, change in reasons))
    by_column = {f"contribution_{name}": explained[:, at] for at, name in enumerate(names)}
    return pd.DataFrame({BECAUSE: because, "base_value": base[outputs], **by_column})


def _describe_cell(column: str, cell: float | str) -> str:
    if cell == "" or cell != cell:  # an empty number is NaN
        return f"no {column}"
    if isinstance(cell, str):
        return f"{column} {cell if len(cell) <= _MAX_LETTERS else cell[: _MAX_LETTERS - 1] + '…'}"
    return f"{column} {cell:.0f}" if 1e6 <= abs(cell) < 1e15 else f"{column} {cell:.6g}"

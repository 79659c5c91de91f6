"""Examples that a report shows: confident errors, likely wrong labels, and some of each cell of the confusion matrix.

Evaluate writes them to `examples.parquet`, with a column `text`, or `picture` with the bytes of a small image file.
"""

import pandas as pd

from gristmill.domains.common.classification.predictions import most_confident_errors, probability_of

FILE = "examples.parquet"
ERRORS, WRONG_LABELS, CELLS = "errors", "wrong labels", "cells"  # values of the column `shown`

_COLUMNS = ["id", "part", "label", "predicted", "probability", "probability_of_label"]
_MAX_LISTED = 12
_MAX_CELLS, _MAX_IN_CELL = 30, 4


def pick_examples(test: pd.DataFrame, wrong_labels: pd.DataFrame) -> pd.DataFrame:
    """Return the examples to show, given the predictions of the test set and the likely wrong labels.

    Of the cells of the confusion matrix, those of errors come first, the largest before the others. An error is shown
    before less confident ones of its cell, a right prediction before more confident ones.
    """
    ranked = test.assign(
        probability=probability_of(test, "predicted"), probability_of_label=probability_of(test, "label")
    )
    right = ranked["label"] == ranked["predicted"]
    cells = ranked.groupby(["label", "predicted"])["id"].transform("size")
    order = pd.DataFrame({"right": right, "cell": -cells, "label": ranked["label"], "predicted": ranked["predicted"]})
    order["doubt"] = ranked["probability"].where(right, -ranked["probability"])
    by = ["right", "cell", "label", "predicted", "doubt"]
    ranked = ranked.loc[order.sort_values(by, kind="stable").index]
    cell = ranked.groupby(["label", "predicted"], sort=False)
    some = ranked[(cell.ngroup() < _MAX_CELLS) & (cell.cumcount() < _MAX_IN_CELL)]
    errors = ranked.loc[most_confident_errors(test, _MAX_LISTED).index]
    shown = {ERRORS: errors, WRONG_LABELS: wrong_labels.head(_MAX_LISTED), CELLS: some}
    return pd.concat([rows[_COLUMNS].assign(shown=name) for name, rows in shown.items()], ignore_index=True)

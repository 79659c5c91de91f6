"""Examples that a report shows: confident errors, likely wrong labels, and some of each cell of the confusion matrix.

Evaluate writes them to `examples.parquet`, with a column `text`, or `picture` with the bytes of a small image file, and
all likely wrong labels to `wrong_labels.csv`.

Source of the latter: Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal
of Artificial Intelligence Research 70, 2021.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.held_out import read_held_out
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import most_confident_errors, probability_of

FILE = "examples.parquet"
WRONG_LABELS_FILE = "wrong_labels.csv"
ERRORS, WRONG_LABELS, CELLS = "errors", "wrong labels", "cells"  # values of the column `shown`

_COLUMNS = ["id", "part", "label", "predicted", "probability", "probability_of_label"]
_MAX_LISTED = 12
_MAX_CELLS, _MAX_IN_CELL = 30, 4

# A label is doubted if its probability is at most this share of its usual one. With 3 % of the labels changed at random
# in Fashion-MNIST and in IMDB, 62 % of those listed are changed; without this condition, 25 % and 49 %. It misses 4
# and 13 points more of all changed labels.
_MAX_SHARE = 0.1
_MIN_LIFT = 1.01  # mean probability of a class for its own examples, by that for all: below, the model guesses


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


def write_wrong_labels(data: LabelledDataset, train: Path, test: pd.DataFrame, out: Path) -> pd.DataFrame:
    """Find the likely wrong labels among held-out and test examples, write them to `wrong_labels.csv`, and return them.

    Held-out predictions are read from the folder `train`; `test` are the predictions of the test set.
    """
    held_out = read_held_out(train)
    held_out["part"] = data.index.set_index("id")["part"].loc[held_out["id"]].to_numpy()
    doubted = find_wrong_labels(pd.concat([held_out, test], ignore_index=True), data.classes)
    doubted.to_csv(out / WRONG_LABELS_FILE, index=False, float_format="%.4f")
    return doubted


def find_wrong_labels(rows: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the examples with a likely wrong label, sorted by the probability of their label, lowest first.

    The rows have `id`, `part`, `label` and `p_<class>`. A label is likely wrong if another class has at least the
    mean probability that it has for examples labelled with it, and the label has much less than its own.

    The columns are `id`, `part`, `label`, `predicted` (that other class), `probability` (of it) and
    `probability_of_label`.
    """
    # 1. Measure the usual probability of each class, for examples labelled with it.
    probabilities = rows[[f"p_{name}" for name in classes]].to_numpy(np.float64)
    labels = rows["label"].map(list(classes).index).to_numpy(np.int64)
    positions = np.arange(len(rows))
    own = probabilities[positions, labels]
    sums, counts = (np.bincount(labels, weights, len(classes)) for weights in (own, None))
    usual = sums / np.maximum(counts, 1)
    known = (counts > 0) & (usual > _MIN_LIFT * probabilities.mean(axis=0))

    # 2. Find examples that have the usual probability of another class, and much less than that of their own.
    confident = np.where(known & (probabilities >= usual), probabilities, -1)
    predicted = confident.argmax(axis=1)
    wrong = (confident.max(axis=1) >= 0) & (predicted != labels) & (own <= _MAX_SHARE * usual[labels])
    doubted = rows[["id", "part", "label"]].assign(
        predicted=np.array(classes, object)[predicted],
        probability=confident[positions, predicted],
        probability_of_label=own,
    )
    ranked: pd.DataFrame = doubted[wrong].sort_values("probability_of_label", kind="stable", ignore_index=True)
    return ranked

"""The table that a classifier's probabilities are kept in."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.classification.labelled import Labelled
from gristmill.tables import read_table

Probabilities = npt.NDArray[np.float64]  # (examples, classes)


def as_rows(data: Labelled, part: str, made: Probabilities) -> pd.DataFrame:
    """Return one row an example: `id`, `part`, `label`, `predicted`, and `p_<class>` of each class."""
    names = np.array(data.classes, object)
    columns = {
        "id": data.rows(part)["id"],
        "part": part,
        "label": names[data.labels(part)],
        "predicted": names[made.argmax(axis=1)],
    }
    return pd.DataFrame(columns | {f"p_{name}": made[:, at] for at, name in enumerate(names)})


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Return the rows of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part].reset_index(drop=True)


def surest_errors(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the wrong predictions of highest probability, the surest first, as `rows` with a column `probability`."""
    sure = rows.assign(probability=rows.filter(regex="^p_").max(axis=1))
    wrong = sure[sure["label"] != sure["predicted"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def scored_probabilities(classes: list[str], evaluate: Path) -> Probabilities:
    """Return the probabilities of the test part that were scored, (examples, classes)."""
    return read_predictions(evaluate, "test")[[f"p_{name}" for name in classes]].to_numpy(np.float64)

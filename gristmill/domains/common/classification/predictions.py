"""The table that a classifier's probabilities are kept in."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.util.table_io import read_table

Probabilities = npt.NDArray[np.float64]  # (examples, classes)


_BY = "predicted by "  # and the baseline's name: no class's column begins so, nor is another one called so


def prediction_rows(
    data: LabelledDataset, part: str, made: Probabilities, baselines: Mapping[str, Probabilities] | None = None
) -> pd.DataFrame:
    """Return one row an example: `id`, `part`, `label`, `predicted`, and `p_<class>` of each class.

    Of each baseline there is the class that it takes the example for: `predicted by <baseline>`.
    """
    names = np.array(data.classes, object)
    columns = {
        "id": data.rows(part)["id"],
        "part": part,
        "label": names[data.labels(part)],
        "predicted": names[made.argmax(axis=1)],
    }
    columns |= {f"{_BY}{name}": names[own.argmax(axis=1)] for name, own in (baselines or {}).items()}
    return pd.DataFrame(columns | {f"p_{name}": made[:, at] for at, name in enumerate(names)})


def misclassified(rows: pd.DataFrame, baseline: str | None = None) -> npt.NDArray[np.float64]:
    """Return 1 for each row that the model, or a baseline, takes for another class, else 0."""
    taken_for = rows["predicted" if baseline is None else f"{_BY}{baseline}"]
    return (taken_for != rows["label"]).to_numpy().astype(np.float64)


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Return the rows of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part].reset_index(drop=True)


def most_confident_errors(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the wrong predictions of highest probability, the surest first, as `rows` with a column `probability`."""
    sure = rows.assign(probability=rows.filter(regex="^p_").max(axis=1))
    wrong = sure[sure["label"] != sure["predicted"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def scored_probabilities(classes: list[str], evaluate: Path) -> Probabilities:
    """Return the probabilities of the test part that were scored, (examples, classes)."""
    return read_predictions(evaluate, "test")[[f"p_{name}" for name in classes]].to_numpy(np.float64)

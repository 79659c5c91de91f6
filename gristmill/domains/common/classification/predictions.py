"""Probabilities of classes, and the table of predictions that evaluate writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import keras

Probabilities = npt.NDArray[np.float64]  # (examples, classes)

_BASELINE_PREFIX = "predicted by "  # no other column begins with it


def probabilities(logits: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the probabilities, (batch, classes), of logits: (batch, classes), or (batch, 1) of the second of two."""
    import keras

    if logits.shape[-1] > 1:
        return keras.layers.Softmax(name="probabilities")(logits)
    second = keras.layers.Activation("sigmoid", name="second_class")(logits)
    return keras.ops.concatenate([1 - second, second], axis=-1)


def prediction_rows(
    data: LabelledDataset, part: str, model: Probabilities, baselines: Mapping[str, Probabilities] | None = None
) -> pd.DataFrame:
    """Return one row per example: `id`, `part`, `label`, `predicted`, and `p_<class>` of each class.

    A column `predicted by <baseline>` holds the class that a baseline predicts.
    """
    names = np.array(data.classes, object)
    columns = {
        "id": data.rows(part)["id"],
        "part": part,
        "label": names[data.labels(part)],
        "predicted": names[model.argmax(axis=1)],
    }
    columns |= {f"{_BASELINE_PREFIX}{name}": names[other.argmax(axis=1)] for name, other in (baselines or {}).items()}
    return pd.DataFrame(columns | {f"p_{name}": model[:, at] for at, name in enumerate(names)})


def predicted_classes(
    examples: Mapping[str, Sequence[str]], probabilities: Probabilities, classes: Sequence[str]
) -> pd.DataFrame:
    """Return one row per example: its names, `predicted` (None if it was not), `probability`, and `p_<class>`."""
    labels = np.array(classes, object)[probabilities.argmax(axis=1)]
    labels[np.isnan(probabilities[:, 0])] = None
    columns: dict[str, Any] = {**examples, PREDICTED: labels, "probability": probabilities.max(axis=1)}
    return pd.DataFrame(columns | {f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)})


def misclassified(rows: pd.DataFrame, baseline: str | None = None) -> npt.NDArray[np.float64]:
    """Return 1 for each row that the model, or a baseline, puts in another class, else 0."""
    predicted = rows["predicted" if baseline is None else f"{_BASELINE_PREFIX}{baseline}"]
    return (predicted != rows["label"]).to_numpy().astype(np.float64)


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Return the rows of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part].reset_index(drop=True)


def most_confident_errors(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return wrong predictions with a column `probability`, the highest probability first."""
    ranked = rows.assign(probability=rows.filter(regex="^p_").max(axis=1))
    wrong = ranked[ranked["label"] != ranked["predicted"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def scored_probabilities(classes: list[str], evaluate: Path) -> Probabilities:
    """Return the probabilities of the test set that were scored, (examples, classes)."""
    return read_predictions(evaluate, "test")[[f"p_{name}" for name in classes]].to_numpy(np.float64)

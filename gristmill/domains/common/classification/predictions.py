"""Probabilities of classes, and the table of predictions that evaluate writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import MOST_PROBABLE, Decision
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.scores import MODEL
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import keras

Probabilities = npt.NDArray[np.float64]  # (examples, classes)

MIN_PROBABILITY = 1e-7  # before a logarithm, lower ones are raised to it: float32 cannot hold their distance to 1

_BASELINE_PREFIX = "predicted by "  # no other column begins with it


def probabilities(logits: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the probabilities, (batch, classes), of logits: (batch, classes), or (batch, 1) of the second of two."""
    import keras

    if logits.shape[-1] > 1:
        return keras.layers.Softmax(name="probabilities")(logits)
    second = keras.layers.Activation("sigmoid", name="second_class")(logits)
    return keras.ops.concatenate([1 - second, second], axis=-1)


def prediction_rows(
    data: LabelledDataset, part: str, by_model: Mapping[str, Probabilities], decisions: Mapping[str, Decision]
) -> pd.DataFrame:
    """Return one row per example: `id`, `part`, `label`, `predicted`, and `p_<class>` of each class.

    The model comes first in `by_model`. A column `predicted by <baseline>` holds the class that a baseline predicts.
    """
    names = np.array(data.classes, object)
    columns = {"id": data.rows(part)["id"], "part": part, "label": names[data.labels(part)]}
    for name, probabilities in by_model.items():
        column = "predicted" if name == MODEL else f"{_BASELINE_PREFIX}{name}"
        columns[column] = names[decisions[name].labels(probabilities)]
    return pd.DataFrame(columns | {f"p_{name}": by_model[MODEL][:, at] for at, name in enumerate(names)})


def predicted_classes(
    examples: Mapping[str, Sequence[str]],
    probabilities: Probabilities,
    classes: Sequence[str],
    decision: Decision = MOST_PROBABLE,
) -> pd.DataFrame:
    """Return one row per example: its names, `predicted` (None if it was not), `probability`, `set`, and `p_<class>`.

    `set` has the classes in the set, such as `cat|dog`; without limits, there is no such column.
    """
    labels = decision.labels(probabilities)
    columns: dict[str, Any] = {
        **examples,
        PREDICTED: np.array(classes, object)[labels],
        "probability": probabilities[np.arange(len(labels)), labels],
    }
    if decision.set_limits is not None:
        columns["set"] = decision.set_names(probabilities, classes)
    rows = pd.DataFrame(columns | {f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)})
    rows.loc[np.isnan(probabilities[:, 0]), rows.columns.intersection([PREDICTED, "set"])] = None
    return rows


def answer_of_tensors(bundle: LoadedBundle, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> pd.DataFrame:
    """Return the classes of a call of the SavedModel as `predict` would, without names of the examples."""
    probabilities = outputs["probabilities"].astype(np.float64)
    return predicted_classes({}, probabilities, bundle.signature["classes"], Decision.read(bundle.path))


def probability_of(rows: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return the probability of the class in a column, for each row of predictions."""
    probabilities = rows.filter(regex="^p_")
    owners = probabilities.columns.get_indexer(pd.Index("p_" + rows[column].astype("str")))
    return probabilities.to_numpy(np.float64)[np.arange(len(rows)), owners]


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
    ranked = rows.assign(probability=probability_of(rows, "predicted"))
    wrong = ranked[ranked["label"] != ranked["predicted"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def scored_probabilities(classes: list[str], evaluate: Path) -> Probabilities:
    """Return the probabilities of the test set that were scored, (examples, classes)."""
    return read_predictions(evaluate, "test")[[f"p_{name}" for name in classes]].to_numpy(np.float64)

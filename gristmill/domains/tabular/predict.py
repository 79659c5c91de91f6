"""Predict: the target of the rows of a file, by an exported bundle; and what a server may be asked."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import predicted_classes
from gristmill.domains.common.permutation_importance import MAX_EXAMPLES
from gristmill.domains.common.prediction import DATE, TEXT, Column, Prediction, PredictionRequest, Requests, identifier
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.columns import read_columns
from gristmill.domains.tabular.contributions import contributions, explanations, log_odds, typical_rows
from gristmill.domains.tabular.dataset import Inputs, Values, raw_inputs
from gristmill.export.kit import REQUEST
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.sources.rows import Rows
from gristmill.training.named_arrays import Array
from gristmill.util.table_io import as_texts, read_document, read_table

logger = logging.getLogger(__name__)
_MAX_NAMES_LISTED = 8


class TablePrediction(Prediction):
    """Numbers or classes of the rows of a table."""

    def predict(self, request: PredictionRequest) -> pd.DataFrame:
        """Return the columns that the model reads, of all rows, and their prediction in the column `predicted`.

        Of classes, `probability`, `set` and `p_<class>` follow. Rows come from files, where the target is not read and
        may be missing, or from an ingest artifact. The column that identifies a row comes first; an ingest artifact
        does not have it. With `explain`, contributions relative to the training rows follow (`contributions.py`): to a
        number, or to the log odds of the predicted class.

        Models of gristmill 0.2.0 or earlier cannot read empty cells. If the run of such a model `recorded` missing =
        "drop" in its table `ingest`, a row with an empty cell has no prediction (NaN), and the log says how many there
        are.

        Raises:
            DataError: a file cannot be read, or a cell is empty and such a model did not record missing = "drop".
        """
        # 1. Read the rows.
        bundle, ingested = request.bundle, request.ingested
        columns = _columns_by_role(bundle)
        inputs = [name for names in columns.values() for name in names]
        identifiers = [request.id_column] if request.id_column and ingested is None else []
        if ingested is None:
            numbers = columns.get("numbers", [])
            texts = [*(name for name in inputs if name not in numbers), *identifiers]
            source_rows = request.source.read(request.paths, texts, numbers)
        else:
            source_rows = Rows(read_table(ingested / "table.parquet", inputs))
        rows = replace(source_rows, frame=source_rows.frame[inputs])
        table = read_columns(rows, request.ingest)
        # 2. Predict them.
        model, tensors = bundle.predictor(), raw_inputs(table, columns)
        predicted = model(tensors)
        if "classes" not in bundle.signature:  # 0.2.0 or earlier exported the model
            predicted = np.where(_incomplete(rows, request.recorded.get("missing"))[:, None], np.nan, predicted)
        shown = source_rows.frame[list(dict.fromkeys([*identifiers, *inputs]))].reset_index(drop=True)
        for name in columns.get("categories", []):
            shown[name] = as_texts(shown[name])
        answer = _answer(bundle, shown, predicted)
        if not request.options.explain:
            return answer

        # 3. Explain the predictions, by training rows.
        classes = bundle.signature.get("classes")

        def outputs(inputs: Inputs) -> Values:
            values = model(inputs).astype(np.float64)
            return log_odds(values) if classes else values

        trained = dataset.read(request.trained_on())
        learned = trained.at("train")
        sample = trained.table.iloc[learned[sample_positions(len(learned), MAX_EXAMPLES)]]
        typical = typical_rows(outputs, raw_inputs(sample, columns))
        chosen = answer[PREDICTED].map(classes.index).to_numpy() if classes else np.zeros(len(answer), np.int64)
        explained = explanations(table[inputs], *contributions(outputs, tensors, typical), chosen)
        explained.loc[answer[PREDICTED].isna()] = None
        return pd.concat([answer, explained], axis=1)

    def rows_of_tensors(
        self, bundle: LoadedBundle, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> pd.DataFrame:
        columns = _columns_by_role(bundle).items()
        shown = pd.DataFrame({name: inputs[role][:, at] for role, names in columns for at, name in enumerate(names)})
        is_classifier = bool(bundle.signature.get("classes"))
        return _answer(bundle, shown, outputs["probabilities"] if is_classifier else next(iter(outputs.values())))


PREDICTION = TablePrediction()


def _columns_by_role(bundle: LoadedBundle) -> dict[str, list[str]]:
    """Return the columns of each input of an exported model."""
    return {role: tensor["columns"] for role, tensor in bundle.signature["inputs"].items()}


def _incomplete(rows: Rows, missing: str | None) -> npt.NDArray[np.bool_]:
    """Return which rows have an empty cell, (rows,); raise `DataError` if there are any and `missing` is not "drop"."""
    empty = (rows.frame.isna() | (rows.frame == "")).to_numpy()
    bad: npt.NDArray[np.bool_] = np.asarray(empty.any(axis=1))
    if bad.any() and missing == "drop":
        logger.warning("%d of %d rows have an empty cell and no prediction", bad.sum(), len(bad))
    elif bad.any():
        first = int(bad.argmax())
        column = rows.frame.columns[empty[first]][0]
        raise rows.unusable(
            bad,
            f"{rows.where(first)}: column {column!r} is empty ({bad.sum():,} of {len(bad):,} rows have an empty cell), "
            "and this model of an earlier release cannot read empty cells. Fill them, or retrain the pipeline.",
            "an empty cell",
        )
    return bad


def _answer(bundle: LoadedBundle, shown: pd.DataFrame, predicted: Array) -> pd.DataFrame:
    """Return rows with their predictions: a number, or a class and the probability of each class."""
    classes = bundle.signature.get("classes")
    if not classes:
        return shown.assign(**{PREDICTED: predicted[:, 0]})
    examples = {str(name): shown[name].tolist() for name in shown}
    return predicted_classes(examples, predicted.astype(np.float64), classes, Decision.read(bundle.path))


class TableRequests(Requests):
    """Rows with the columns that a model reads; examples come from a row of its test set."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        # A test row's inputs, by name, from the bundle's sample request, if it has one.
        request = read_document(bundle.path / REQUEST) if (bundle.path / REQUEST).exists() else {}
        rows = request.get("instances", [])
        sample = rows[0] if rows and isinstance(rows[0], dict) else {}
        columns = identifier(id_column)
        for role, tensor in bundle.signature["inputs"].items():
            for at, name in enumerate(tensor["columns"]):
                names = [*filter(None, bundle.signature.get("names", {}).get(name, []))]  # "" is an empty cell
                listed = ", ".join(map(repr, names[:_MAX_NAMES_LISTED])) + ", …" * (len(names) > _MAX_NAMES_LISTED)
                about = {
                    "numbers": "number; null if missing",
                    "categories": f"category: {listed}; null if missing",
                    "dates": "ISO date, with a time or without",
                    "texts": "text",
                }[role]
                example = {"numbers": 1.0, "categories": names[0] if names else "", "dates": DATE, "texts": TEXT}[role]
                kind = "number" if role == "numbers" else "string"
                columns.append(Column(name, kind, about, sample[role][at] if role in sample else example))
        return columns


REQUESTS = TableRequests()

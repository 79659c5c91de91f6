"""Evaluate: predictions of the model and the baselines, row by row, their scores, and the importance of columns."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification import evaluation
from gristmill.domains.common.classification.evaluation import Presentation, check_evaluate, is_balanced, write_scores
from gristmill.domains.common.classification.scores import log_losses
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.comparison import compare
from gristmill.domains.common.permutation_importance import (
    IMPORTANCE_FILE,
    MAX_EXAMPLES,
    Orders,
    importance,
    relies_on_one,
)
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.common.score_warnings import perfect_score_warnings
from gristmill.domains.common.selection import summary_of
from gristmill.domains.common.supervised import ByPart
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared, Values, by_part
from gristmill.domains.tabular.encoder import RowModel
from gristmill.domains.tabular.learner import RowLearner
from gristmill.domains.tabular.models.linear import LeastSquares, Logistic
from gristmill.domains.tabular.models.mean import Majority, Mean
from gristmill.domains.tabular.partial_dependence import PARTIAL_DEPENDENCE_FILE, partial_dependence
from gristmill.errors import count_of
from gristmill.scores import FILE, MODEL, summarise
from gristmill.settings.number_text import format_number
from gristmill.settings.stage import Stage
from gristmill.training.named_arrays import join_arrays, split_arrays
from gristmill.util.table_io import write_document, write_table

BASELINES = (Mean(kind="mean"), LeastSquares(kind="least_squares"))
CLASS_BASELINES = (Majority(kind="majority"), Logistic(kind="logistic"))
"""Cheap kinds that every evaluation shows."""
_MAX_ROWS_SHUFFLED = 50_000  # test rows times columns whose importance is measured
_MAX_COLUMNS_SHOWN = 8
_MAX_CHARACTERS = 40  # of a cell

Candidates = Mapping[str, CandidateArtifacts]


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    candidates: Candidates = MappingProxyType({}),
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Predict rows and score each part. Nothing was fitted or chosen on the test set.

    Predictions of the validation set are held-out ones (`held_out.py`).

    Writes `scores.json` and `predictions.parquet`: of numbers, `row` (its name), `part`, `y` and one column per
    model, with at most 10,000 training rows; of classes, that of all classifiers, and also `scores.parquet`,
    `wrong_labels.csv` and `examples.parquet`. With more than one column to predict from, it writes `importance.json`
    and, unless all are texts, `partial_dependence.parquet`. The time that each candidate takes for a row is added to
    `microseconds`.

    Raises:
        RequestError: a slice is not a category or a column of metadata, the decision does not fit the data, or settings
            of classes are given for a number.
    """
    data, model, fitted = dataset.read(preprocess), RowModel.read(train), succeeded(candidates)
    check_evaluate(evaluate, data.labelled)
    # 1. Predict with the model, the baselines and the candidates.
    learner, baselines = RowLearner(data), CLASS_BASELINES if data.layout.classes else BASELINES
    predicted = {MODEL: learner.predict_scored(model) | learner.read_held_out(train)}
    predicted |= compare(learner, baselines, fitted, balanced=is_balanced(train), microseconds=microseconds)
    # 2. Measure which columns the model relies on, and how.
    columns = data.layout.columns
    if ranking := importance_of_columns(data, model):
        write_document(out / IMPORTANCE_FILE, ranking)
        columns = [feature["feature"] for feature in ranking["features"]]
        if names := [name for name in columns if name not in data.layout.texts]:
            dependence = partial_dependence(data, names, lambda rows: model.predict(data.layout.inputs(rows)))
            write_table(out / PARTIAL_DEPENDENCE_FILE, dependence)
    # 3. Score the predictions.
    advice = (
        f"check that column {columns[0]!r}, on which the model relies most, is known when you predict; if not, remove "
        "it from [ingest]"
    )
    if not data.layout.classes:
        return _score_numbers(learner, predicted, train, fitted, out, advice)

    def show(examples: pd.DataFrame) -> pd.DataFrame:
        return examples.assign(text=[_describe_row(data, row) for row in data.positions(examples["id"])])

    presentation = Presentation(learner.noun, evaluate.slices, show, advice, relies_on_one(ranking))
    return write_scores(data.labelled, predicted, evaluate, presentation, train=train, candidates=fitted, out=out)


def check_before_training(preprocessed: Path, tables: Mapping[str, Any], stages: Collection[Stage]) -> None:
    """Check settings of the scores of classes, because evaluate would fail only after the training."""
    evaluation.check_before_training(tables["evaluate"], lambda: dataset.read(preprocessed).labelled)


def _score_numbers(
    learner: RowLearner, predicted: dict[str, ByPart], train: Path, candidates: Candidates, out: Path, advice: str
) -> dict[str, int]:
    """Write predictions and scores of numbers; return the number of rows of each part."""
    data, parts = learner.data, list(learner.scored_rows)
    rows = np.concatenate(list(learner.scored_rows.values()))
    by_model = {name: np.concatenate([values[part] for part in parts]) for name, values in predicted.items()}
    table = pd.DataFrame({"row": data.ids[rows], "part": data.parts[rows], "y": data.truth[rows], **by_model})
    predictions = table.iloc[np.argsort(rows)].reset_index(drop=True)
    write_table(out / "predictions.parquet", predictions)
    scores = {name: score(predictions, name) for name in predicted}
    others = [name for name, candidate in candidates.items() if not candidate.is_baseline]
    warnings = perfect_score_warnings(scores[MODEL]["test"], [], advice)
    metrics = ("mae", "rmse", "r2")
    summary = summarise(scores, "mae", metrics, selected=summary_of(train), others=others, warnings=warnings)
    write_document(out / FILE, summary)
    return {f"{part}_rows": len(rows) for part, rows in by_part(predictions).items()}


def score(predictions: pd.DataFrame, name: str) -> dict[str, dict[str, float | None]]:
    """Return the scores of a model or baseline, by part and metric."""
    scores = dict[str, dict[str, float | None]]()
    for part, rows in by_part(predictions).items():
        truth, predicted = rows["y"].to_numpy(), rows[name].to_numpy()
        scores[part] = {"mae": mae(truth, predicted), "rmse": rmse(truth, predicted), "r2": r2(truth, predicted)}
    return scores


def mae(truth: Values, prediction: Values) -> float:
    """Mean absolute error, in the target's units; lower is better."""
    return float(np.abs(truth - prediction).mean())


def rmse(truth: Values, prediction: Values) -> float:
    """Root of the mean squared error, in the target's units; lower is better."""
    return float(np.sqrt(np.square(truth - prediction).mean()))


def r2(truth: Values, prediction: Values) -> float | None:
    """Share of the truth's variance that is explained: 1 is perfect, 0 as good as its mean, negative is worse.

    None if the truth does not vary, as in a single row.
    """
    if truth.min() == truth.max():
        return None
    return float(1 - np.square(truth - prediction).sum() / np.square(truth - truth.mean()).sum())


def importance_of_columns(data: Prepared, model: RowModel) -> dict[str, Any] | None:
    """Return the permutation importance of the columns; None if there is only one.

    It is measured on the test rows, since some kinds are fitted on the validation rows too. Of a wide table, fewer rows
    are shuffled.
    """
    columns = data.layout.columns
    if len(columns) < 2:
        return None
    rows = data.at("test")
    rows = rows[sample_positions(len(rows), min(MAX_EXAMPLES, _MAX_ROWS_SHUFFLED // len(columns)))]
    truth, inputs = data.truth[rows], data.layout.inputs_by_role
    cells = dict(zip(inputs, split_arrays(data.inputs_at(rows)).values(), strict=True))
    role_and_index = {name: (role, at) for role, names in inputs.items() for at, name in enumerate(names)}

    def losses(column: str, orders: Orders) -> Values:
        shuffled = {role: np.tile(values, (len(orders), 1)) for role, values in cells.items()}
        role, at = role_and_index[column]
        shuffled[role][:, at] = cells[role][orders.ravel(), at]
        predicted = model.predict(join_arrays(shuffled))
        repeated = np.tile(truth, len(orders))
        if data.layout.classes:
            return log_losses(repeated.astype(np.int64), predicted).reshape(orders.shape)
        return np.abs(repeated - predicted).reshape(orders.shape)

    metric = "log_loss" if data.layout.classes else "mae"
    return {"part": "test", "metric": metric, "of": "rows"} | importance(columns, losses, len(rows))


def _describe_row(data: Prepared, row: int) -> str:
    """Return the cells of a row: `age 42, class 3rd`."""
    cells = data.table.iloc[row]
    parts = []
    for name in data.layout.columns[:_MAX_COLUMNS_SHOWN]:
        value = cells[name]
        text = format_number(value) if isinstance(value, float) and not pd.isna(value) else str(value)
        text = "–" if text in ("", "nan") else text
        parts.append(f"{name} {text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + '…'}")
    more = len(data.layout.columns) - _MAX_COLUMNS_SHOWN
    return ", ".join(parts) + (f", and {count_of(more, 'more columns')}" if more > 0 else "")

"""Evaluation of a classifier: its predictions and those of baselines and other candidates, and their scores.

Scores have one row for each part, forecaster and group of examples.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, read_selection
from gristmill.domains.common.classification import examples, scores
from gristmill.domains.common.classification.choose_decision import choose_decisions, decision_metric
from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import (
    RESERVED,
    LabelledDataset,
    Labels,
    count_by_class,
    list_counts,
)
from gristmill.domains.common.classification.predictions import Probabilities, prediction_rows
from gristmill.domains.common.classification.scores import BALANCED_LOG_LOSS
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.score_warnings import coverage_warning, perfect_score_warnings
from gristmill.domains.common.selection import summary_of
from gristmill.errors import RequestError, count_of
from gristmill.scores import FILE, MODEL, ByMetric, scores_by_part, summarise
from gristmill.settings.messages import unknown_name
from gristmill.util.table_io import read_document, write_document, write_table
from gristmill.util.toml import toml_value

_MAIN_METRICS = ("f1", "accuracy", "coverage", "roc_auc", "log_loss", "ece")  # metrics to show if space is limited


def check_before_training(settings: Evaluate, read: Callable[[], LabelledDataset]) -> None:
    """Check settings of the scores of classes, because evaluate would fail only after the training."""
    if settings.slices or settings.threshold is not None or settings.coverage is not None:
        check_evaluate(settings, read())


def check_evaluate(settings: Evaluate, data: LabelledDataset) -> None:
    """Raise a `RequestError` for settings that do not fit the data; `data` of a target that is a number has no classes.

    A slice must be a column of metadata without a name of the scores, a threshold needs two classes, and names of
    classes in sets have no `|`.
    """
    if not data.classes:
        for name, value in settings:
            if value:
                raise RequestError(
                    f"evaluate.{name} = {toml_value(value)} is for classes, but the target is a number. Leave it out."
                )
    for name in settings.slices:
        if name in RESERVED:
            raise RequestError(
                f"evaluate.slices: {name!r} is a name that the scores use themselves. Rename the column in the data."
            )
        if name not in data.columns:
            raise RequestError(f"evaluate.slices: {unknown_name('column', name, data.columns)}")
    if settings.threshold is not None and len(data.classes) != 2:
        raise RequestError(
            f"evaluate.threshold = {toml_value(settings.threshold)} needs two classes, but the data has "
            f"{len(data.classes)}. Leave it out: the most probable class is predicted."
        )
    if settings.coverage is not None and (bad := [name for name in data.classes if "|" in name]):
        raise RequestError(
            f"evaluate.coverage: the class {bad[0]!r} contains '|', which separates the classes of a set. Rename the "
            "class in the data, or leave evaluate.coverage out."
        )


def loss_of(train: Path) -> str:
    """Return the metric that selected the model in a folder or, for a single model, its training loss."""
    if selection := read_selection(train):
        return str(selection["metric"]).replace(" ", "_")
    return BALANCED_LOG_LOSS if read_document(train / "training.json").get("balanced") else "log_loss"


def is_balanced(train: Path) -> bool:
    """Return whether all classes count equally for the model in a folder."""
    return loss_of(train) == BALANCED_LOG_LOSS


@dataclass(frozen=True)
class Presentation:
    """How the examples of a domain are named and shown, and what to check if their scores are perfect."""

    noun: str  # of the examples, in counts
    slices: tuple[str, ...]  # columns to score by
    show: Callable[[pd.DataFrame], pd.DataFrame]  # adds a column with the content of examples to a table
    advice: str  # what to check
    relies_on_one: bool = False  # whether the model relies on one feature only


def write_scores(
    data: LabelledDataset,
    by_model: Mapping[str, Mapping[str, Probabilities]],
    settings: Evaluate,
    presentation: Presentation,
    *,
    train: Path,
    candidates: Mapping[str, CandidateArtifacts],
    out: Path,
    **more: Any,
) -> dict[str, int]:
    """Write predictions, scores, likely wrong labels and examples; return the number of examples of each part.

    The model in the folder `train` comes first in `by_model`, then baselines and other candidates.
    `settings` say how to decide, and `more` are further values of `scores.json`.

    Raises:
        RequestError: there are no held-out predictions to choose how to decide.
    """
    # 1. Score each part.
    decisions = choose_decisions(settings, data, by_model, train)
    decision, balanced = decisions[MODEL], is_balanced(train)
    rows, tables = {}, []
    for part in ("validation", "test"):
        if len(data.rows(part)):
            predicted = {name: by_part[part] for name, by_part in by_model.items()}
            rows[part] = prediction_rows(data, part, predicted, decisions)
            groups = []
            for name, probabilities in predicted.items():
                of_name = _score_rows(data, part, probabilities, decisions[name], presentation.slices, balanced)
                groups += [{"part": part, "forecaster": name} | row for row in of_name]
            tables.append(pd.DataFrame(groups))
    table = pd.concat(tables, ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)

    # 2. Warn of scores that are too good, or of a coverage that is too low, and summarise them.
    scored, metric, secondary = scores_by_part(table), loss_of(train), decision_metric(settings)
    tested = scored[MODEL]["test"]
    others = [name for name, candidate in candidates.items() if not candidate.is_baseline]
    baselines = [by_part["test"] for name, by_part in scored.items() if name not in (MODEL, *others)]
    warnings = perfect_score_warnings(tested, baselines, presentation.advice, presentation.relies_on_one)
    summary = summarise(
        scored,
        metric,
        [name for name in dict.fromkeys((metric, secondary, *_MAIN_METRICS)) if name in tested],
        secondary_metric=secondary,
        selected=summary_of(train),
        others=others,
        warnings=filter(None, [*warnings, _untested_warning(data), _sets_warning(tested, decision, len(rows["test"]))]),
    )
    truth, probabilities = data.labels("test"), by_model[MODEL]["test"]
    summary |= {
        "classes": data.classes,
        "confusion": scores.confusion(truth, decision.labels(probabilities), len(data.classes)).tolist(),
        "calibration": scores.reliability(truth, probabilities),
    }
    write_document(out / FILE, summary | decision.as_json() | more)

    # 3. Write the examples that a report shows.
    wrong_labels = examples.write_wrong_labels(data, train, rows["test"], out)
    write_table(out / examples.FILE, presentation.show(examples.pick_examples(rows["test"], wrong_labels)))
    counts = {f"{part}_{presentation.noun}": len(predicted) for part, predicted in rows.items()}
    return counts | {"likely_wrong_labels": len(wrong_labels)}


def _score_rows(
    data: LabelledDataset,
    part: str,
    probabilities: Probabilities,
    decision: Decision,
    slices: tuple[str, ...],
    balanced: bool,
) -> Iterator[dict[str, Any]]:
    """Yield one row for each group of examples: `by`, `group`, `examples`, then the metrics of a forecaster.

    `by` is `all`, a column of the metadata, or `class`. A class has only precision, recall, F1, and coverage and size
    of sets; all other groups have their means over the classes that have examples. If `balanced`, there is also the
    log loss for which all classes count equally.
    """
    # 1. The whole part, and the examples that share a value of a column. Categories have an order of their own.
    index, truth = data.rows(part), data.labels(part)
    yield {"by": "all", "group": "", "examples": len(truth)} | _metrics(truth, probabilities, decision, balanced)
    for column in slices:
        values = index[column]
        if not isinstance(values.dtype, pd.CategoricalDtype):
            values = values.fillna("–").astype(str)
        for value in values.sort_values().unique():
            chosen = (values == value).to_numpy()
            metrics = _metrics(truth[chosen], probabilities[chosen], decision, balanced)
            yield {"by": column, "group": value, "examples": int(chosen.sum())} | metrics

    # 2. Each class.
    counts = scores.confusion(truth, decision.labels(probabilities), len(data.classes))
    precision, recall, f1 = scores.precision(counts), scores.recall(counts), scores.f1(counts)
    for label, name in enumerate(data.classes):
        own = truth == label
        metrics = {"precision": precision[label], "recall": recall[label], "f1": f1[label]}
        metrics |= _metrics_of_sets(truth[own], probabilities[own], decision)
        yield {"by": "class", "group": name, "examples": int(own.sum())} | metrics


def _metrics(truth: Labels, probabilities: Probabilities, decision: Decision, balanced: bool) -> ByMetric:
    """Return the metrics of some examples, with `roc_auc` for two classes."""
    predicted, classes = decision.labels(probabilities), probabilities.shape[1]
    counts = scores.confusion(truth, predicted, classes)
    measured = {
        "accuracy": scores.accuracy(truth, predicted),
        "precision": float(np.nanmean(scores.precision(counts))),
        "recall": float(np.nanmean(scores.recall(counts))),
        "f1": float(np.nanmean(scores.f1(counts))),
        "log_loss": scores.log_loss(truth, probabilities),
        "brier": scores.brier(truth, probabilities),
        "ece": scores.ece(truth, probabilities),
    }
    if balanced:
        measured[BALANCED_LOG_LOSS] = scores.balanced_log_loss(truth, probabilities)
    measured |= _metrics_of_sets(truth, probabilities, decision)
    return measured | ({"roc_auc": scores.roc_auc(truth, probabilities)} if classes == 2 else {})


def _metrics_of_sets(truth: Labels, probabilities: Probabilities, decision: Decision) -> dict[str, float]:
    """Return coverage and mean size of the sets of some examples, if there are any."""
    if decision.set_limits is None or not len(truth):
        return {}
    sets = decision.sets(probabilities)
    return {"coverage": float(sets[np.arange(len(truth)), truth].mean()), "set_size": float(sets.sum(axis=1).mean())}


def _untested_warning(data: LabelledDataset) -> str:
    """Return a warning of classes without a test example, if there are any."""
    tested = count_by_class(data.rows("test"), data.classes)
    untested = {name: count for name, count in count_by_class(data.index, data.classes).items() if not tested[name]}
    return f"no test example, and so no score, of {list_counts(untested)}" if untested else ""


def _sets_warning(test: ByMetric, decision: Decision, examples: int) -> str:
    """Return a warning if prediction sets contain the true class too rarely. A higher coverage is fine."""
    level, coverage = decision.coverage, test.get("coverage")
    if level is None or coverage is None or coverage > level:
        return ""
    count = count_of(examples, "test examples")
    contain = f"{level:.0%} prediction sets contain the true class of only {coverage:.1%} of the {count}"
    return coverage_warning(contain, coverage, level, examples, low="the sets are too small", high="")

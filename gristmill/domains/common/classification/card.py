"""Facts of a classifier for its model card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import PARTS, LabelledDataset, count_by_class
from gristmill.domains.common.classification.predictions import scored_probabilities
from gristmill.domains.common.classification.scores import BALANCED_LOG_LOSS, balanced_log_losses, log_losses
from gristmill.export.model_card import Facts
from gristmill.scores import Scores

_MAX_CLASSES = 12  # in a title or a table


def class_facts(
    data: LabelledDataset,
    evaluate: Path,
    *,
    title: str,
    noun: str,
    task: str,
    use: str,
    parameters: int,
    notes: Sequence[str],
    limits: Sequence[str],
    block: int = 0,
) -> Facts:
    """Return the facts of a classifier of examples called `noun`, with notes on its data and limits of its domain.

    The names of the classes follow the title.
    """
    classes, counts = data.classes, {}
    for part in PARTS:
        if len(rows := data.rows(part)):
            by_class = count_by_class(rows, classes) if len(classes) <= _MAX_CLASSES else {}
            counts[part] = {noun: f"{len(rows):,}"} | {name: f"{count:,}" for name, count in by_class.items()}
    losses_of = balanced_log_losses if Scores.read(evaluate).metric == BALANCED_LOG_LOSS else log_losses
    return Facts(
        title=f"{title}: {_listed(classes)}",
        task=task,
        use=f"{use} The classes are {_listed(classes)}.",
        parameters=parameters,
        data=[*notes, f"Number of {noun} in each part{', and in each class' * (len(classes) <= _MAX_CLASSES)}:"],
        parts=counts,
        limits=[f"It gives one of the {len(classes)} classes to everything, also to what belongs to none.", *limits],
        intervals=[*_decision(Decision.read(evaluate), classes, evaluate)],
        losses=losses_of(data.labels("test"), scored_probabilities([*classes], evaluate)),
        block=block,
    )


def _listed(classes: Sequence[str]) -> str:
    """Return the names of the classes, or their number and the first ones."""
    if len(classes) <= _MAX_CLASSES:
        return ", ".join(classes)
    return f"{', '.join(classes[:3])} and {len(classes) - 3} others"


def _decision(decision: Decision, classes: Sequence[str], evaluate: Path) -> list[str]:
    """Return sentences on how probabilities decide."""
    sentences = []
    if decision.threshold is not None:
        sentences.append(f"The label is {classes[1]} if its probability is above {decision.threshold:.4g}.")
    if decision.coverage is not None:
        measured = Scores.read(evaluate).model["test"].get("coverage")
        measured_text = "" if measured is None or np.isnan(measured) else f"; on the test set, {measured:.1%} did"
        sentences.append(
            "All classes whose probability reaches `decision.set_limits` of `signature.json` form a set. "
            f"{decision.coverage:.0%} of the sets should contain the true class{measured_text}."
        )
    return sentences

"""Export of a classifier: its answer in a graph, and its facts for the model card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import PARTS, LabelledDataset, count_by_class
from gristmill.domains.common.classification.predictions import scored_probabilities
from gristmill.domains.common.classification.scores import BALANCED_LOG_LOSS, balanced_log_losses, log_losses
from gristmill.domains.common.trained_model import TrainedModel
from gristmill.export import saved_model
from gristmill.export.model_card import Facts
from gristmill.scores import Scores

_MAX_CLASSES = 12  # in a title or a table


def write_classifier(
    model: TrainedModel, inputs: Sequence[Any], classes: Sequence[str], decision: Decision, folder: Path
) -> None:
    """Write a SavedModel whose only signature takes raw examples; `inputs` are the specifications of its tensors."""

    def serve(examples: Any) -> dict[str, tf.Tensor]:
        return answer_in_graph(model.in_graph(examples), classes, decision)

    saved_model.write(folder, {"serving_default": (serve, inputs)}, model.resources)


def answer_in_graph(outputs: dict[str, tf.Tensor], classes: Sequence[str], decision: Decision) -> dict[str, tf.Tensor]:
    """Return the outputs of the serving signature, given the outputs of a model.

    They are `probabilities` and `classes`, both (batch, classes), `label`, the predicted class (batch,), and the other
    outputs of the model.
    """
    probabilities, names = outputs["predictions"], tf.constant(list(classes))
    if decision.threshold is None:
        labels = tf.argmax(probabilities, axis=1)
    else:
        labels = tf.cast(probabilities[:, 1] > tf.constant(decision.threshold, tf.float32), tf.int64)
    return {
        "probabilities": probabilities,
        "classes": tf.repeat(names[tf.newaxis], tf.shape(probabilities)[0], axis=0),
        "label": tf.gather(names, labels),
        **{name: values for name, values in outputs.items() if name != "predictions"},
    }


def class_facts(
    data: LabelledDataset,
    evaluate: Path,
    *,
    title: str,
    noun: str,
    use: str,
    notes: Sequence[str],
    limits: Sequence[str],
    **facts: Any,
) -> Facts:
    """Return the facts of a classifier for its model card.

    Args:
        data: the examples, and their classes, whose names follow the title.
        evaluate: folder of the scores.
        title: first line of the card.
        noun: name of the examples.
        use: sentence on what the model does.
        notes: sentences on the data.
        limits: sentences on what the model is not fit for.
        facts: the other facts of the domain.
    """
    # 1. Count the examples.
    classes, counts = data.classes, {}
    are_listed = len(classes) <= _MAX_CLASSES
    for part in PARTS:
        if len(rows := data.rows(part)):
            by_class = count_by_class(rows, classes) if are_listed else {}
            counts[part] = {noun: f"{len(rows):,}"} | {name: f"{count:,}" for name, count in by_class.items()}

    # 2. Describe how probabilities decide.
    decision, scores, sentences = Decision.read(evaluate), Scores.read(evaluate), []
    if decision.threshold is not None:
        sentences.append(f"The label is {classes[1]} if its probability is above {decision.threshold:.4g}.")
    if decision.coverage is not None:
        covered = scores.model["test"].get("coverage")
        measured = "" if covered is None or np.isnan(covered) else f"; on the test set, {covered:.1%} did"
        sentences.append(
            "All classes whose probability reaches `decision.set_limits` of `signature.json` form a set. "
            f"{decision.coverage:.0%} of the sets should contain the true class{measured}."
        )
    losses_of = balanced_log_losses if scores.metric == BALANCED_LOG_LOSS else log_losses
    names = ", ".join(classes) if are_listed else f"{', '.join(classes[:3])} and {len(classes) - 3} others"
    limit = f"It gives one of the {len(classes)} classes to everything, also to what belongs to none."
    return Facts(
        title=f"{title}: {names}",
        use=f"{use} The classes are {names}.",
        data=[*notes, f"Number of {noun} in each part{', and in each class' * are_listed}:"],
        parts=counts,
        limits=[limit, *limits],
        intervals=sentences,
        losses=losses_of(data.labels("test"), scored_probabilities(classes, evaluate)),
        **facts,
    )

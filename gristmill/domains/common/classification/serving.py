"""Answer of an exported classifier in a graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.trained_model import TrainedModel
from gristmill.export import saved_model


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

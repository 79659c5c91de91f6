"""Answer of an exported classifier in a graph."""

from collections.abc import Sequence

import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision


def answer_in_graph(probabilities: tf.Tensor, classes: Sequence[str], decision: Decision) -> dict[str, tf.Tensor]:
    """Return `probabilities`, `classes` (batch, classes) and `label`, the predicted class (batch,)."""
    names = tf.constant(list(classes))
    if decision.threshold is None:
        labels = tf.argmax(probabilities, axis=1)
    else:
        labels = tf.cast(probabilities[:, 1] > tf.constant(decision.threshold, tf.float32), tf.int64)
    return {
        "probabilities": probabilities,
        "classes": tf.repeat(names[tf.newaxis], tf.shape(probabilities)[0], axis=0),
        "label": tf.gather(names, labels),
    }

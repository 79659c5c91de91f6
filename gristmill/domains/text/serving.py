"""SavedModel of a text classifier, which takes raw strings and returns their class.

`serving_default` takes texts, UTF-8 strings (batch,), and returns `probabilities` (batch, classes), `classes`, the
names in the same order (batch, classes), `label`, the predicted name (batch,), and `known`, the number of known tokens
after truncation, int32 (batch,). The tokenizers are part of the graph, so texts are split, truncated and padded
exactly as in training. A text without tokens becomes a sequence of padding. The prediction for a text without known
tokens is meaningless.
"""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.serving import answer_in_graph
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.export import saved_model


def write(classifier: TextClassifier, classes: Sequence[str], decision: Decision, folder: Path) -> None:
    """Write a SavedModel with the signature `serving_default`."""

    def serve(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities, known = classifier.classify(texts)
        return answer_in_graph(probabilities, classes, decision) | {"known": known}

    texts = tf.TensorSpec((None,), tf.string, name="text")
    saved_model.write(folder, {"serving_default": (serve, [texts])}, classifier.trackables)

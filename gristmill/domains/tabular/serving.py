"""SavedModel of a classifier of rows.

`serving_default` takes the inputs of the network by name and returns `probabilities` (batch, classes), `classes`, the
names in the same order (batch, classes), and `label`, the predicted name (batch,).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.serving import answer_in_graph
from gristmill.export import saved_model


def write(network: keras.Model, classes: Sequence[str], decision: Decision, folder: Path) -> None:
    """Write a SavedModel with the signature `serving_default`."""

    def serve(rows: Any) -> dict[str, tf.Tensor]:
        return answer_in_graph(network(rows, training=False), classes, decision)

    saved_model.write(folder, {"serving_default": (serve, saved_model.input_specs(network))}, [network])

"""Table of the layers of a network, which evaluate writes for the report."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import pandas as pd


def layer_table(network: keras.Model) -> pd.DataFrame:
    """Return one row per layer, like `model.summary()`: `layer`, `type`, `output`, `parameters`, `trainable`.

    The layers of a nested network follow it with a `depth` of one more.
    """
    return pd.DataFrame(_rows(network, depth=0))


def _rows(network: keras.Model, depth: int) -> Iterator[dict[str, Any]]:
    for layer in network.layers:
        outputs = keras.tree.flatten(layer.output)
        yield {
            "depth": depth,
            "layer": layer.name,
            "type": type(layer).__name__,
            "output": ", ".join(str(tuple(output.shape[1:])) for output in outputs),
            "parameters": layer.count_params(),
            "trainable": sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        }
        if isinstance(layer, keras.Model):
            yield from _rows(layer, depth + 1)

"""What train does alike in several domains: refuse a network of another shape, publish one and how it was trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill.errors import RequestError
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.util.table_io import write_document, write_table

TensorShape = tuple[int | None, ...]


def write_trained(network: keras.Model, course: TrainingHistory, out: Path, **more: Any) -> None:
    """Write the network, `epochs.parquet`, `training.json` and, of a range test, `learning_rates.parquet`.

    Args:
        network: raw values in, what is predicted out.
        course: what happened over the epochs.
        out: folder to write to.
        more: further values for `training.json`.
    """
    saved_network.write(network, out)
    curves = {
        "val_loss": course.val_losses,
        "accuracy": course.accuracies,
        "val_accuracy": course.val_accuracies,
        "rate": course.rates,
    }
    columns: dict[str, Any] = {"epoch": np.arange(1, len(course.losses) + 1), "loss": course.losses}
    columns |= {name: values for name, values in curves.items() if values}
    write_table(out / "epochs.parquet", pd.DataFrame(columns))
    if course.search:
        write_table(out / "learning_rates.parquet", pd.DataFrame(course.search))
    ended = {
        "best_epoch": course.best_epoch,
        "epochs": len(course.losses),
        "stopped_early": course.stopped,
        "learning_rate": course.learning_rate,
    }
    write_document(out / "training.json", ended | more)


def check_network_shape(
    network: object,
    item: str,
    takes: Sequence[TensorShape],
    gives: TensorShape,
    holding: str = "",
    outputs: str = "logits",
) -> None:
    """Refuse what is no network, or one that does not take and give what it is asked to.

    Args:
        network: what a model built.
        item: what it is shown, for the error: an image, a text.
        takes: the shapes of an item that it may take.
        gives: the shape of its outputs.
        holding: what an item holds, for the error.
        outputs: what its outputs are, for the error.

    Raises:
        RequestError: it is no Keras model, or of another shape.
    """
    if not isinstance(network, keras.Model):
        raise RequestError(f"the model is a {type(network).__name__}. Expected a keras.Model: return one from it.")
    taken, given = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
    if taken not in takes or given != gives:
        wanted = " or ".join(map(str, takes)) + (f", {holding}," if holding else "")
        raise RequestError(
            f"the model's network takes {taken} and gives {given} for each {item}; expected it to take {wanted} and "
            f"give {gives}, {outputs}. Build it to the shape it is given."
        )

"""Steps of `train` that domains share: check the shape of a network, write it and its history."""

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


def write_trained(network: keras.Model, history: TrainingHistory, out: Path, **more: Any) -> None:
    """Write the network, `epochs.parquet`, `training.json` and, after a range test, `learning_rates.parquet`.

    Args:
        network: maps raw values to predictions.
        history: of its training.
        out: folder to write to.
        more: further values for `training.json`.
    """
    saved_network.write(network, out)
    curves = {
        "val_loss": history.val_losses,
        "accuracy": history.accuracies,
        "val_accuracy": history.val_accuracies,
        "rate": history.rates,
    }
    columns: dict[str, Any] = {"epoch": np.arange(1, len(history.losses) + 1), "loss": history.losses}
    columns |= {name: values for name, values in curves.items() if values}
    write_table(out / "epochs.parquet", pd.DataFrame(columns))
    if history.search:
        write_table(out / "learning_rates.parquet", pd.DataFrame(history.search))
    summary = {
        "best_epoch": history.best_epoch,
        "epochs": len(history.losses),
        "stopped_early": history.stopped,
        "learning_rate": history.learning_rate,
    }
    write_document(out / "training.json", summary | more)


def check_network_shape(
    network: object,
    item: str,
    takes: Sequence[TensorShape],
    gives: TensorShape,
    holding: str = "",
    outputs: str = "logits",
) -> None:
    """Check that a model returned a network of the expected shape.

    Args:
        network: what the model's function returned.
        item: what the network sees at a time, for the message: an image, a text.
        takes: allowed input shapes of one item.
        gives: output shape of one item.
        holding: content of the input, for the message.
        outputs: content of the output, for the message.

    Raises:
        RequestError: it is not a Keras model, or has another shape.
    """
    if not isinstance(network, keras.Model):
        raise RequestError(f"the model is a {type(network).__name__}. Expected a keras.Model: return one from it.")
    taken, given = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
    if taken not in takes or given != gives:
        expected = " or ".join(map(str, takes)) + (f", {holding}," if holding else "")
        raise RequestError(
            f"the model's network takes {taken} and gives {given} for each {item}; expected it to take {expected} and "
            f"give {gives}, {outputs}. Build it to the shape it is given."
        )

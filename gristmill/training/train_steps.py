"""Steps of `train` that domains share: build a network, check its shape, write it and its history."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import pandas as pd

from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.messages import keras_reason
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.util.table_io import write_document, write_table

TensorShape = tuple[int | None, ...]


class ModelSettings(Protocol):
    """Settings that build a network."""

    @property
    def build(self) -> Callable[[Any], keras.Model]:
        """Function from the domain's shape to a network."""


@runtime_checkable
class ClosedForm(Protocol):
    """Settings of a kind that is fitted without gradient descent."""

    def fit(self, data: Any) -> Any:
        """Return the model fitted to a domain's data."""


Model = ModelSettings | CustomCode


def write_trained(network: keras.Model, history: TrainingHistory, out: Path, **more: Any) -> dict[str, int]:
    """Write the network and its history (`write_history`), and return the counts for the run record."""
    saved_network.write(network, out)
    return {"parameters": network.count_params()} | write_history(history, out, **more)


def write_history(history: TrainingHistory, out: Path, **more: Any) -> dict[str, int]:
    """Write `epochs.parquet`, `training.json` and, after a range test, `learning_rates.parquet`.

    `more` are further values for `training.json`. Return the number of epochs for the run record, if there were any.
    """
    count = len(history.epochs)
    epochs = pd.DataFrame(history.epochs or {"loss": []})
    epochs.insert(0, "epoch", np.arange(1, count + 1))
    write_table(out / "epochs.parquet", epochs)
    if history.search:
        write_table(out / "learning_rates.parquet", pd.DataFrame(history.search))
    summary = {
        "best_epoch": history.best_epoch,
        "epochs": count,
        "stopped_early": history.stopped,
        "learning_rate": history.learning_rate,
    }
    write_document(out / "training.json", summary | more)
    return {"epochs": count} if count else {}


def build_network(model: Model, files: Sequence[Path], shape: Any) -> keras.Model:
    """Return the network for a shape, of a model's settings or of the user's function in `files`.

    Raises:
        RequestError: the user's function fails, returns no Keras model, or one that cannot be saved and exported.
    """
    name, build = (model.kind, model.load(files)) if isinstance(model, CustomCode) else ("the model", model.build)
    network = build(shape)
    if not isinstance(network, keras.Model):
        raise RequestError(f"{name} returned a {type(network).__name__}. Expected a keras.Model: return one from it.")
    if not network.built:
        raise RequestError(f"{name} returned a network without a shape. Let it begin with keras.Input.")
    if isinstance(model, CustomCode):
        # Check before the training that the network can be restored from its architecture, in Keras's safe mode.
        try:
            keras.models.model_from_json(network.to_json())
        except (NotImplementedError, TypeError, ValueError) as error:
            raise RequestError(
                f"{name} returned a network that cannot be exported ({keras_reason(error)}). Use Keras's own layers "
                "and keras.ops in place of Lambda, subclasses and plain Python functions."
            ) from None
    return network


def check_network_shape(
    network: keras.Model,
    item: str,
    inputs: Sequence[TensorShape],
    outputs: Sequence[TensorShape],
    input_name: str = "",
    output_name: str = "logits",
) -> keras.Model:
    """Return a network after checking that it has one of the allowed input and output shapes, without the batch.

    The message names an item of the batch (an image, a text) and the contents of input and output.
    """
    received, returned = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
    if received not in inputs or returned not in outputs:
        expected = " or ".join(map(str, inputs)) + (f", {input_name}," if input_name else "")
        raise RequestError(
            f"the model's network takes {received} and gives {returned} for each {item}; expected it to take "
            f"{expected} and give {' or '.join(map(str, outputs))}, {output_name}. Build it to the shape it is given."
        )
    return network

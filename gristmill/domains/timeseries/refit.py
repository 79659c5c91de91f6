"""Refit: the judged recipe once more, on everything up to the last observation; that network is exported."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train_network import Model, buildable, fit_forecaster
from gristmill.settings.custom_code import CustomCode
from gristmill.training.fit import OnEpoch
from gristmill.training.outputs import write_trained
from gristmill.util.table_io import read_document


def refit(
    *,
    model: Model | CustomCode,
    train: Train,
    preprocess: Path,
    train_folder: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
    start: Path | None = None,
) -> dict[str, int]:
    """Fit the model on all windows, for as many epochs as the judged network kept, at the learning rate it used.

    Writes what train does. Nothing is left to judge this network on: the scores are the judged one's.

    Args:
        model: settings of the model.
        train: settings of the training that was judged.
        preprocess: folder of the prepared series.
        train_folder: folder of the judged network.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.
        start: folder of the network whose weights the judged one began from.

    Raises:
        Diverged: the loss is not a finite number.
    """
    judged, data = read_document(train_folder / "training.json"), of_everything(dataset.read(preprocess))
    recipe, epochs = recipe_of(train, judged), judged["best_epoch"]
    network, course = fit_forecaster(
        buildable(model, files), recipe, data, scratch, logs, on_epoch, until=epochs, start=start
    )
    write_trained(network, course, out, quantiles=judged["quantiles"])
    return {"parameters": network.count_params()} | ({"epochs": len(course.losses)} if course.losses else {})


def of_everything(data: Prepared) -> Prepared:
    """Return the series with all of them in the training part, on the scale of the judged network."""
    nothing = np.column_stack([data.bounds[:, 1], data.bounds[:, 1]])
    return replace(data, parts=np.stack([data.bounds, nothing, nothing], axis=1))


def recipe_of(settings: Train, judged: dict[str, Any]) -> Train:
    """Return the settings of a training with nothing to stop on, and the learning rate that was found, if one was."""
    rate = judged["learning_rate"]
    return settings.model_copy(update={"patience": None} | ({} if rate is None else {"learning_rate": rate}))

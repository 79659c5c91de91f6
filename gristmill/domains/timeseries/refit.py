"""Refit: train the exported network on all observations with the settings of the tested network."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train_network import AnyModel, fit_forecaster
from gristmill.training.fit import FitArguments
from gristmill.training.outputs import write_trained
from gristmill.util.table_io import read_document


def refit(
    *,
    model: AnyModel,
    train: Train,
    preprocess: Path,
    train_folder: Path,
    out: Path,
    files: Sequence[Path] = (),
    start: Path | None = None,
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on all windows, for the best epochs and at the learning rate of the tested network.

    Writes the files of train. No data is left to test this network; its scores are those of the tested network in
    `train_folder`. Other arguments as in `train`.

    Raises:
        Diverged: the loss is not a finite number.
    """
    tested, data = read_document(train_folder / "training.json"), of_everything(dataset.read(preprocess))
    rate, epochs = tested["learning_rate"], tested["best_epoch"]
    recipe = train.model_copy(update={"patience": None} | ({} if rate is None else {"learning_rate": rate}))
    network, history = fit_forecaster(model, recipe, data, until=epochs, files=files, start=start, **arguments)
    return write_trained(network, history, out, quantiles=tested["quantiles"])


def of_everything(data: Prepared) -> Prepared:
    """Return the series with everything in the training set, on the scale of the tested network."""
    empty = np.column_stack([data.bounds[:, 1], data.bounds[:, 1]])
    return replace(data, parts=np.stack([data.bounds, empty, empty], axis=1))

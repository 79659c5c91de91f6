"""Refit: train the exported network on all observations with the settings of the tested network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np

from gristmill.domains.common.candidates import candidate_settings, read_selection
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.ensemble import average
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import AnyModel, fit_forecaster
from gristmill.settings.selection import Auto
from gristmill.training.fit import FitArguments
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import write_trained
from gristmill.util.table_io import read_document


def refit(
    *,
    model: AnyModel | Auto,
    train: Train,
    preprocess: Path,
    train_folder: Path,
    out: Path,
    files: Sequence[Path] = (),
    candidate_files: Mapping[str, Sequence[Path]] = MappingProxyType({}),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on all windows, for the best epochs and at the learning rate of the tested network.

    A selected model is the average of its members, each fitted so, with the tested weights. Writes the files of train.
    No data is left to test this network; its scores are those of the tested network in `train_folder`.
    `candidate_files` are the files of candidates with code of the user. Other arguments as in `train`.

    Raises:
        Diverged: the loss is not a finite number.
    """
    tested, data = read_document(train_folder / "training.json"), of_everything(dataset.read(preprocess))
    if not isinstance(model, Auto):
        recipe, until = _recipe(train, tested)
        network, history = fit_forecaster(model, recipe, data, until=until, files=files, **arguments)
        return write_trained(network, history, out, quantiles=tested["quantiles"])
    selection = read_selection(train_folder) or {}
    members = []
    for number, member in enumerate(selection["members"]):
        own, settings = candidate_settings(member["settings"], "timeseries", Train)
        recipe, until = _recipe(settings, member["training"])
        own_files, on_epoch = candidate_files.get(member["name"], ()), arguments["on_epoch"]
        scratch, logs = (folder / f"{number}" for folder in (arguments["scratch"], arguments["logs"]))
        network, _ = fit_forecaster(own, recipe, data, scratch, logs, on_epoch, until=until, files=own_files)
        members.append((network, member["weight"]))
    return write_trained(average(members, data.layout), TrainingHistory(), out, quantiles=None)


def _recipe(train: Train, tested: Mapping[str, Any]) -> tuple[Train, int | None]:
    """Return settings and number of epochs that repeat a tested training without its validation set."""
    rate, epochs = tested["learning_rate"], tested["best_epoch"]
    return train.model_copy(update={"patience": None} | ({} if rate is None else {"learning_rate": rate})), epochs


def of_everything(data: Prepared) -> Prepared:
    """Return the series with everything in the training set, on the scale of the training set until then."""
    empty = np.column_stack([data.bounds[:, 1], data.bounds[:, 1]])
    return replace(data, parts=np.stack([data.bounds, empty, empty], axis=1))

"""Train: a network on standardised windows, published as one that takes and gives raw values."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gristmill.course import Course
from gristmill.fit import OnEpoch
from gristmill.network import REFIT
from gristmill.own import Own
from gristmill.timeseries import prepared
from gristmill.timeseries.forecaster import Model, buildable, fit_forecaster
from gristmill.timeseries.prepared import Prepared
from gristmill.timeseries.settings import Train
from gristmill.training import write_trained


def train(
    *,
    model: Model | Own,
    train: Train,
    preprocess: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
) -> dict[str, int]:
    """Fit the model on the training windows; choose the epoch on the validation windows where `patience` is set.

    Writes the network from raw windows to raw forecasts (`network.py`), `epochs.parquet` and `training.json`. With
    `refit` a second network, trained on everything by the same recipe for as many epochs as the judged one kept, lies
    in `refit/`: the judged one gives the scores, the second is exported.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared series.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    model = buildable(model, files)
    data = prepared.read(preprocess)
    network, course = fit_forecaster(model, train, data, scratch / "judged", logs / "judged", on_epoch)
    write_trained(network, course, out, quantiles=_quantiles(train))
    if train.refit:
        recipe = train.model_copy(update={"patience": None} | _found(course))
        again, course_again = fit_forecaster(
            model, recipe, of_everything(data), scratch / REFIT, logs / REFIT, on_epoch, until=course.best_epoch
        )
        (out / REFIT).mkdir()
        write_trained(again, course_again, out / REFIT, quantiles=_quantiles(train))
    return {"parameters": network.count_params()} | ({"epochs": len(course.losses)} if course.losses else {})


def of_everything(data: Prepared) -> Prepared:
    """Return the series with all of them in the training part, on the scale of the judged network."""
    nothing = np.column_stack([data.bounds[:, 1], data.bounds[:, 1]])
    return replace(data, parts=np.stack([data.bounds, nothing, nothing], axis=1))


def _found(course: Course) -> dict[str, float]:
    """Return the learning rate that the judged training used, where it used one."""
    return {"learning_rate": course.learning_rate} if course.learning_rate is not None else {}


def _quantiles(settings: Train) -> list[float] | None:
    return list(settings.quantiles) if settings.loss == "quantile" else None

"""Train: fit a network on standardised windows, and write it as a network of raw values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.forecasts import VALIDATION, by_network, write_forecast
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train_network import AnyModel, fit_forecaster
from gristmill.training.fit import FitArguments
from gristmill.training.outputs import ClosedForm, write_trained


def train(
    *,
    model: AnyModel,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training windows; with `patience` choose the epoch on the validation windows.

    Writes the network from raw windows to raw forecasts, `epochs.parquet` and `training.json`. A model in closed form
    is fitted once more, on the validation windows too, after its forecasts of these are written to
    `validation.parquet`.

    Raises:
        RequestError: the settings contradict each other.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, history = fit_forecaster(model, train, data, files=files, **arguments)
    starts = data.origins("validation")
    if isinstance(model, ClosedForm) and len(starts):
        write_forecast(by_network(network, data.seen_by(network), starts), out / VALIDATION)
        network, _ = fit_forecaster(model, train, data.known_before("test"), **arguments)
    return write_trained(network, history, out, quantiles=list(train.quantiles) if train.loss == "quantile" else None)

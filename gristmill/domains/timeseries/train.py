"""Train: fit a network on standardised windows, and write it as a network of raw values."""

from collections.abc import Sequence
from pathlib import Path

from gristmill.domains.timeseries import dataset
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train_network import Model, buildable, fit_forecaster
from gristmill.settings.custom_code import CustomCode
from gristmill.training.fit import OnEpoch
from gristmill.training.outputs import write_trained


def train(
    *,
    model: Model | CustomCode,
    train: Train,
    preprocess: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
    start: Path | None = None,
) -> dict[str, int]:
    """Fit the model on the training windows; with `patience` choose the epoch on the validation windows.

    Writes the network from raw windows to raw forecasts, `epochs.parquet` and `training.json`.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared series.
        out: folder to write to.
        scratch: folder of checkpoints.
        logs: folder of TensorBoard logs.
        on_epoch: called after each epoch.
        files: files of custom code, the model's own file first.
        start: folder of a network whose weights are the initial weights.

    Raises:
        RequestError: the settings contradict each other.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, history = fit_forecaster(buildable(model, files), train, data, scratch, logs, on_epoch, start=start)
    write_trained(network, history, out, quantiles=list(train.quantiles) if train.loss == "quantile" else None)
    return {"parameters": network.count_params()} | ({"epochs": len(history.losses)} if history.losses else {})

"""Train: a network on standardised windows, published as one that takes and gives raw values."""

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
    """Fit the model on the training windows; choose the epoch on the validation windows where `patience` is set.

    Writes the network from raw windows to raw forecasts (`network.py`), `epochs.parquet` and `training.json`.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared series.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.
        start: folder of a network whose weights training begins from.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, course = fit_forecaster(buildable(model, files), train, data, scratch, logs, on_epoch, start=start)
    write_trained(network, course, out, quantiles=list(train.quantiles) if train.loss == "quantile" else None)
    return {"parameters": network.count_params()} | ({"epochs": len(course.losses)} if course.losses else {})

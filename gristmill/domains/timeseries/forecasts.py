"""Forecasts of a network next to the observed values, and the table of predictions."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.intervals import Intervals, calibrate
from gristmill.domains.timeseries.windows import Origins, target_index
from gristmill.runs.scores import MODEL
from gristmill.util.table_io import read_table, write_table

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.float64]  # (windows, horizon, targets)
Output = npt.NDArray[Any]  # (…, outputs), targets or targets x quantiles

VALIDATION = "validation.parquet"  # held-out forecasts of the validation set, in the artifact of a model

_WINDOWS_PER_CALL = 65_536  # bounds the memory of windows


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of some windows and the observed values, each (windows, horizon, targets)."""

    starts: Origins
    truth: Array
    by_name: dict[str, Array] = field(default_factory=dict)  # by forecaster, the model first
    low: Array | None = None  # bounds of the model's interval
    high: Array | None = None


def by_network(network: "keras.Model", data: Prepared, starts: Origins, eager: bool = False) -> Array:
    """Return the network's output for some origins, (windows, horizon, outputs).

    A network that is used once is called eagerly, since compiling it would take longer.
    """
    from gristmill.training.saved_network import predict_in_batches

    if not len(starts):  # Keras does not accept an empty batch
        return np.empty((0, *network.output_shape[1:]))
    blocks = [starts[begin : begin + _WINDOWS_PER_CALL] for begin in range(0, len(starts), _WINDOWS_PER_CALL)]

    def call(window: Any) -> Any:
        return np.asarray(network(window, training=False)) if eager else predict_in_batches(network, window)

    outputs = [call(data.histories(block)) for block in blocks]
    return np.concatenate(outputs).astype(np.float64)


def levels_of(output: Output, quantiles: list[float] | None) -> tuple[Output, Output | None, Output | None]:
    """Return forecast, low and high of a network's output (…, outputs), each (…, targets).

    With quantiles the median is the forecast, and the outer two are the interval; otherwise the interval is None.
    """
    if quantiles is None:
        return output, None, None
    by_level = output.reshape(*output.shape[:-1], output.shape[-1] // len(quantiles), len(quantiles))
    return by_level[..., quantiles.index(0.5)], by_level[..., 0], by_level[..., -1]


def forecast_part(data: Prepared, part: str, network: "keras.Model", quantiles: list[float] | None) -> Forecasts:
    """Return the model's forecasts of a part, with an interval if it has learned quantiles."""
    starts = data.origins(part)
    forecast, low, high = levels_of(by_network(network, data, starts), quantiles)
    return Forecasts(starts, data.targets(starts).astype(np.float64), {MODEL: forecast}, low, high)


def calibrated(calibration: Forecasts, data: Prepared, level: float) -> Intervals:
    """Return intervals of a level, calibrated on forecasts of data the model was not fitted on."""
    histories = data.histories(calibration.starts)
    return calibrate(calibration.truth, calibration.by_name[MODEL], histories, level, data.layout.season)


def with_intervals(forecasts: Forecasts, data: Prepared, intervals: Intervals) -> Forecasts:
    """Return forecasts with the model's conformal intervals."""
    half = intervals.half_widths(data.histories(forecasts.starts))
    model = forecasts.by_name[MODEL]
    return Forecasts(forecasts.starts, forecasts.truth, forecasts.by_name, model - half, model + half)


def write_forecast(forecast: Array, path: Path) -> None:
    """Write forecasts of one model, (windows, horizon, targets), as a table with one column."""
    write_table(path, pd.DataFrame({MODEL: forecast.ravel()}))


def read_forecast(path: Path, shape: tuple[int, ...]) -> Array:
    """Read the forecasts that `write_forecast` wrote."""
    return read_table(path)[MODEL].to_numpy(np.float64).reshape(shape)


def as_rows(data: Prepared, forecasts: Forecasts, **labels: object) -> pd.DataFrame:
    """Return forecasts as a table with a row per window, step and target; `low` and `high` may be NaN."""
    windows, horizon, targets = forecasts.truth.shape
    positions = target_index(forecasts.starts, horizon)
    each = partial(np.repeat, repeats=targets)
    owners = np.repeat(data.series_of(forecasts.starts), horizon * targets)
    frame = pd.DataFrame(
        {
            **labels,
            "unique_id": np.array(data.ids, object)[owners],
            "channel": np.tile(np.array(data.layout.targets, object), windows * horizon),
            "ds": data.times[each(positions.ravel())],
            "step": np.tile(each(np.arange(1, horizon + 1)), windows),
            "y": forecasts.truth.ravel(),
            MODEL: forecasts.by_name[MODEL].ravel(),
            "low": np.nan if forecasts.low is None else forecasts.low.ravel(),
            "high": np.nan if forecasts.high is None else forecasts.high.ravel(),
        }
    )
    for name, forecast in forecasts.by_name.items():
        frame[name] = forecast.ravel()
    return frame


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Read the predictions of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part]

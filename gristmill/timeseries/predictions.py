"""A network's forecasts beside what came, and the table they are kept in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.tables import read_table
from gristmill.timeseries.prepared import MODEL, Prepared
from gristmill.timeseries.windows import Origins, target_index

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.float64]  # (windows, horizon, targets)
Forecaster = Callable[[Origins], Array]

_BLOCK = 65_536  # windows that a network is shown at a time


@dataclass(frozen=True)
class Forecasts:
    """What was forecast for some windows, beside what came; each (windows, horizon, targets)."""

    starts: Origins
    truth: Array
    made: dict[str, Array] = field(default_factory=dict)  # by forecaster: the model, then the baselines
    low: Array | None = None  # of the model's interval
    high: Array | None = None


def by_network(network: "keras.Model", data: Prepared) -> Forecaster:
    """Return a function from origins to the network's whole output, (windows, horizon, outputs)."""

    def forecast(starts: Origins) -> Array:
        if not len(starts):  # Keras predicts no empty batch
            return np.empty((0, *network.output_shape[1:]))
        blocks = [starts[begin : begin + _BLOCK] for begin in range(0, len(starts), _BLOCK)]
        made = [network.predict(data.histories(block), batch_size=1024, verbose=0) for block in blocks]
        return np.concatenate(made).astype(np.float64)

    return forecast


def forecast_part(data: Prepared, part: str, network: "keras.Model", quantiles: list[float] | None) -> Forecasts:
    """Return the model's forecasts of a part; with quantiles the median is the forecast, the outer two the interval."""
    starts = data.origins(part)
    made = by_network(network, data)(starts)
    truth = data.targets(starts).astype(np.float64)
    if quantiles is None:
        return Forecasts(starts, truth, {MODEL: made})
    by_level = made.reshape(*truth.shape, len(quantiles))
    median = int(np.abs(np.array(quantiles) - 0.5).argmin())
    return Forecasts(starts, truth, {MODEL: by_level[..., median]}, by_level[..., 0], by_level[..., -1])


def as_rows(data: Prepared, forecasts: Forecasts, **labels: object) -> pd.DataFrame:
    """Return forecasts as a table with one row a window, step and target."""
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
            MODEL: forecasts.made[MODEL].ravel(),
        }
    )
    if forecasts.low is not None and forecasts.high is not None:
        frame["low"], frame["high"] = forecasts.low.ravel(), forecasts.high.ravel()
    for name, made in forecasts.made.items():
        frame[name] = made.ravel()
    return frame


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Return the rows of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part]

"""Forecasts of a network next to the observed values, and the table of predictions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import Origins, target_index
from gristmill.scores import MODEL
from gristmill.util.chunking import in_blocks, split_by_size
from gristmill.util.table_io import read_first_rows, read_table, write_table

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.intervals.quantiles import Intervals, LocalScale

Array = npt.NDArray[np.float64]  # (windows, horizon, targets)
Output = npt.NDArray[Any]  # (…, outputs), targets or targets x quantiles

MEDIAN = 0.5  # level of the quantile that is the forecast if a network learns quantiles, or if they are symmetric
PREDICTIONS = "predictions.parquet"  # forecasts of all parts, in the artifact of evaluate
VALIDATION = "validation.parquet"  # held-out forecasts of the validation set, in the artifact of a model
WINDOWS_PER_CALL = 16_384  # whole batches of a network (`saved_network.py`); bounds the memory of windows

_QUANTILE = "quantile "


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of some windows and the observed values, each (windows, horizon, targets)."""

    starts: Origins
    truth: Array
    by_name: dict[str, Array] = field(default_factory=dict)  # by forecaster, the model first
    levels: tuple[float, ...] = ()  # of quantiles, ascending
    learned: Array | None = None  # quantiles that the model itself forecasts, (windows, horizon, targets, levels)
    intervals: "Mapping[str, Intervals]" = field(default_factory=dict)  # by forecaster, if quantiles are calibrated
    local: "LocalScale | None" = None  # local scale and roughness of the windows, if quantiles are calibrated

    def quantiles_of(self, name: str) -> Array | None:
        """Return the quantiles of a forecaster, (windows, horizon, targets, levels); None if it has none."""
        if name in self.intervals and self.local is not None:
            return self.intervals[name].around(self.by_name[name], self.local)
        return self.learned if name == MODEL else None

    def windows(self, at: slice) -> "Forecasts":
        """Return the forecasts of some windows."""
        by_name = {name: values[at] for name, values in self.by_name.items()}
        learned, local = None if self.learned is None else self.learned[at], self.local and self.local.at(at)
        return Forecasts(self.starts[at], self.truth[at], by_name, self.levels, learned, self.intervals, local)

    def blocks(self) -> Iterator["Forecasts"]:
        """Yield the forecasts, some windows at a time."""
        for begin in range(0, len(self.starts), WINDOWS_PER_CALL):
            yield self.windows(slice(begin, begin + WINDOWS_PER_CALL))


def by_network(network: "keras.Model", data: Prepared, starts: Origins, once: bool = False) -> Array:
    """Return the network's output for some origins, (windows, horizon, outputs). `once`: it is not used again."""
    from gristmill.training.saved_network import predict_in_batches, predict_once

    if not len(starts):  # Keras does not accept an empty batch
        return np.empty((0, *network.output_shape[1:]))

    predict = predict_once if once else predict_in_batches
    outputs = [predict(network, data.histories(block)) for block in in_blocks(starts, WINDOWS_PER_CALL)]
    return np.concatenate(outputs).astype(np.float64)


def split_quantiles(output: Output, levels: Sequence[float] | None) -> tuple[Output, Output | None]:
    """Return forecast, (…, targets), and quantiles, (…, targets, levels), of a network's output, (…, outputs).

    The forecast is the median; without levels, the output is the forecast and there are no quantiles.
    """
    if levels is None:
        return output, None
    by_level = output.reshape(*output.shape[:-1], output.shape[-1] // len(levels), len(levels))
    return by_level[..., list(levels).index(MEDIAN)], by_level


def split_exported(output: Output, levels: Sequence[float] | None, targets: int) -> tuple[Output, Output | None]:
    """Return forecast and quantiles of an exported network's output, as `split_quantiles` does.

    The quantiles of a target follow its forecast. If the network has learned them, or an earlier version exported it,
    the median is the forecast.
    """
    columns = output.shape[-1] // targets
    if levels is None or columns == len(levels):
        return split_quantiles(output, levels)
    by_target = output.reshape(*output.shape[:-1], targets, columns)
    return by_target[..., 0], by_target[..., 1:]


def blocks_of_series(data: Prepared, starts: Origins) -> list[slice]:
    """Return slices of windows, of some whole series each; they are ordered by series.

    The first one begins with the first window, and batches of a network begin with each.
    """
    _, counts = np.unique(data.series_of(starts), return_counts=True)
    ends = np.concatenate([[0], np.cumsum(counts)])
    blocks = split_by_size(counts.tolist(), WINDOWS_PER_CALL)
    return [slice(int(ends[block.start]), int(ends[block.stop])) for block in blocks]


def forecast_part(data: Prepared, part: str, network: "keras.Model", levels: Sequence[float] | None) -> Forecasts:
    """Return the model's forecasts of a part, with the quantiles that it has learned."""
    starts = data.origins(part)
    forecast, quantiles = split_quantiles(by_network(network, data, starts), levels)
    return Forecasts(starts, data.targets(starts).astype(np.float64), {MODEL: forecast}, tuple(levels or ()), quantiles)


def write_forecast(forecast: Array, path: Path) -> None:
    """Write forecasts of one model, (windows, horizon, targets), as a table with one column."""
    write_table(path, pd.DataFrame({MODEL: forecast.ravel()}))


def read_forecast(path: Path, shape: tuple[int, ...]) -> Array:
    """Read the forecasts that `write_forecast` wrote."""
    return read_table(path)[MODEL].to_numpy(np.float64).reshape(shape)


def prediction_columns(data: Prepared, parts: Iterable[Forecasts]) -> list[str]:
    """Return the columns of `as_rows` that some of the forecasts have."""
    rows = [as_rows(data, own.windows(slice(1)), part="") for own in parts]
    return list(dict.fromkeys(str(column) for frame in rows for column in frame))


def as_rows(data: Prepared, forecasts: Forecasts, **labels: object) -> pd.DataFrame:
    """Return forecasts as a table with a row per window, step and target, with a column for each forecaster.

    The columns of the model's quantiles are the last.
    """
    windows, horizon, targets = forecasts.truth.shape
    positions = np.repeat(target_index(forecasts.starts, horizon).ravel(), targets)
    frame = pd.DataFrame(
        {
            **labels,
            "unique_id": pd.Index(data.ids)[data.series_of(positions)],
            "channel": pd.Index(data.layout.targets)[np.tile(np.arange(targets), windows * horizon)],
            "ds": data.times[positions],
            "step": np.tile(np.repeat(np.arange(1, horizon + 1), targets), windows),
            "y": forecasts.truth.ravel(),
            **{name: forecast.ravel() for name, forecast in forecasts.by_name.items()},
        }
    )
    if (quantiles := forecasts.quantiles_of(MODEL)) is not None:
        for level, values in zip(forecasts.levels, np.moveaxis(quantiles, -1, 0), strict=True):
            frame[quantile_name(level)] = values.ravel()
    return frame


def quantile_name(level: float) -> str:
    """Return the name of a quantile in tables and signatures."""
    return f"{_QUANTILE}{level}"


def forecast_columns(
    targets: Sequence[str], forecast: Output, levels: Sequence[float] | None, quantiles: Any
) -> dict[str, Output]:
    """Return a column for each target, and one for each of its quantiles, from (…, targets) and (…, targets, levels).

    The rows are all windows and steps. `quantiles` may be None if there are no levels.
    """
    columns = {}
    for at, target in enumerate(targets):
        columns[target] = forecast[..., at].ravel()
        for number, level in enumerate(levels or ()):
            columns[f"{target} {quantile_name(level)}"] = quantiles[..., at, number].ravel()
    return columns


def quantile_columns(table: pd.DataFrame) -> dict[str, float]:
    """Return the columns of quantiles that hold values, each with its level, in ascending order."""
    names = [name for name in map(str, table) if name.startswith(_QUANTILE) and table[name].notna().all()]
    return {name: float(name.removeprefix(_QUANTILE)) for name in names}


def read_quantiles(table: pd.DataFrame, shape: tuple[int, ...]) -> tuple[tuple[float, ...], Array | None]:
    """Return levels and quantiles, (windows, horizon, targets, levels), of the rows of `as_rows`."""
    levels = quantile_columns(table)
    if not levels:
        return (), None
    return tuple(levels.values()), table[[*levels]].to_numpy(np.float64).reshape(*shape, len(levels))


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Read the predictions of a part from the folder of `evaluate`."""
    return read_table(folder / PREDICTIONS, part=part)


def read_first_predictions(folder: Path, part: str, count: int, columns: list[str]) -> pd.DataFrame:
    """Read columns of the first predictions of a part."""
    return read_first_rows(folder / PREDICTIONS, count, columns, part=part)


def read_first_series(folder: Path, part: str) -> pd.DataFrame:
    """Read the predictions of a part for its first series, without those of all others."""
    first = read_first_predictions(folder, part, 1, ["unique_id"])
    return read_table(folder / PREDICTIONS, part=part, unique_id=first["unique_id"].iloc[0])

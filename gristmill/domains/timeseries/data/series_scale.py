"""Scale of each series, for models that learn from all series at once: small and large series count alike."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.data.dataset import Prepared, range_sums
from gristmill.domains.timeseries.data.windows import Origins

Array = npt.NDArray[np.float64]


def step_sizes(data: Prepared) -> Array:
    """Return the mean absolute step of each target in each training set, (series, targets).

    A constant series, or one with a single value, gets the mean of the others.
    """

    def of_block(block: Prepared) -> Array:
        begins, ends = block.part("train").T
        values = block.values[:, : len(block.layout.targets)].astype(np.float64)
        steps = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        ranges = np.column_stack([np.minimum(begins + 1, ends), ends])
        return np.asarray(range_sums(steps, ranges) / np.maximum(ends - begins - 1, 1)[:, np.newaxis])

    sizes = data.of_each_series(of_block)
    usual = sizes.sum(axis=0) / np.maximum((sizes > 0).sum(axis=0), 1)
    return np.where(sizes > 0, sizes, np.where(usual > 0, usual, 1.0))


def typically_scaled(data: Prepared) -> Prepared:
    """Return the series on the scale of a typical one, if there are several.

    Channels are divided by the median deviation of the series and not centred. So a window of a small series keeps its
    digits in float32, and the constant that keeps the scale of a flat window above 0 is small for most series.
    """
    if len(data.ids) == 1:
        return data
    layout = data.layout
    deviations = data.of_each_series(_deviations)
    varying = deviations[deviations.all(axis=1)]
    typical = np.median(varying, axis=0) if len(varying) else np.array(layout.deviation[: layout.channels])
    mean = [0.0] * layout.channels + layout.mean[layout.channels :]
    deviation = typical.tolist() + layout.deviation[layout.channels :]
    return replace(data, layout=replace(layout, mean=mean, deviation=deviation))


def _deviations(data: Prepared) -> Array:
    """Return the deviation of each channel in each training set, (series, channels); 0 in an empty one."""
    ranges = data.part("train")
    counts = np.maximum(np.diff(ranges), 1)
    values = data.values[:, : data.layout.channels].astype(np.float64)
    means = range_sums(values, ranges) / counts
    squares = np.square(values - np.repeat(means, np.diff(data.bounds)[:, 0], axis=0))
    return np.asarray(np.sqrt(range_sums(squares, ranges) / counts))


class SeriesUnits:
    """Size of a step in each series, in standardised units."""

    def __init__(self, data: Prepared) -> None:
        self._data = data
        self._sizes = step_sizes(data) / data.layout.deviation[: len(data.layout.targets)]

    def of(self, starts: Origins) -> Array:
        """Return the unit of each output of windows, (windows, horizon x targets)."""
        return np.tile(self._sizes[self._data.series_of(starts)], self._data.layout.horizon)

    def weights(self, starts: Origins, scale: Array) -> Array:
        """Return weights of windows, (windows,), whose targets were divided by `scale`, (windows, outputs).

        They make squared errors those in the unit of each series. With one series, all windows have the same weight.
        """
        if len(self._data.ids) == 1:
            return np.ones(len(starts))
        return np.asarray((scale / self.of(starts)).mean(axis=1))

"""Dataset of prepared series: written by preprocess and read by every later stage.

All series are in one array, (observations, columns), one after the other: targets first, then inputs, then known
columns. The known columns are shifted: position t has the known values of t + horizon (`models/__init__.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data import windows
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_arrays, read_document, read_table, write_document, write_table, write_tables

if TYPE_CHECKING:
    import keras

Values = npt.NDArray[np.float32]
PartRange = npt.NDArray[np.int64]  # (…, 2): half-open ranges of positions

AFTER_THE_END = "after_the_end.parquet"  # `ds` and known columns of the horizon after the first series
FORECAST = "forecast.parquet"  # of the first series after its end, in a bundle
PARTS = ("train", "validation", "test")  # in the order of time
OBSERVATIONS_PER_BLOCK = 1 << 20  # about as many, in whole series

_EDGES = [f"{part}_{edge}" for part in ("series", *PARTS) for edge in ("begin", "end")]  # columns of `parts.parquet`


@dataclass(frozen=True)
class Layout:
    """Columns, windows and scale of the series; fitted once and used by every stage."""

    targets: list[str]
    inputs: list[str]
    known: list[str]
    frequency: str
    history: int  # observations that the model sees
    horizon: int
    stride: int
    scale: str
    normalise: str
    residual: bool
    mean: list[float]  # of each column in the training set
    deviation: list[float]  # of each column in the training set, never 0
    season: int | None = None  # observations in a season, or None; artifacts of earlier versions have no such key
    past: int | None = None  # observations before the first origin of a series; as many as in `history` if None
    split: str = "time"  # whether all series are cut at the same times, or each before its own end: "per_series"

    @property
    def channels(self) -> int:
        """Number of targets and inputs."""
        return len(self.targets) + len(self.inputs)

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return [*self.targets, *self.inputs, *self.known]


@dataclass(frozen=True)
class Prepared:
    """Series ready for training."""

    ids: list[str]  # (series,)
    times: pd.Index  # (observations,)
    values: Values  # (observations, columns), in the series' own units
    filled: npt.NDArray[np.bool_]  # (observations,), whether ingest filled a gap there
    bounds: PartRange  # (series, 2), range of each series
    parts: PartRange  # (series, 3, 2), ranges of training, validation and test set
    layout: Layout

    def part(self, name: str) -> PartRange:
        """Return the range of a part in each series, (series, 2)."""
        return self.parts[:, PARTS.index(name)]

    def origins(self, part: str) -> Origins:
        """Return the origins of the windows of a part, series by series.

        Windows with a filled target are left out, because the target is not an observation. So are windows with a
        filled value right before the origin, which may be interpolated from later values.
        """
        starts = self.all_origins(part, self.layout.horizon, self.layout.stride)
        if not self.filled.any():
            return starts
        before = np.concatenate([[0], np.cumsum(self.filled)])  # filled values before each position
        return np.asarray(starts[before[starts + self.layout.horizon] == before[starts - 1]])

    def all_origins(self, part: str, horizon: int, stride: int) -> Origins:
        """Return the origins of the windows of a part, series by series, filled values included."""
        past = self.layout.past or self.layout.history
        return windows.origins(self.part(part), past, horizon, stride, self.bounds[:, 0])

    def complete_origins(self, part: str) -> Origins:
        """Return the origins of the windows of a part that have a whole history."""
        starts = self.origins(part)
        return starts[self.is_complete(starts)]

    def histories(self, starts: Origins) -> Values:
        """Return the inputs of windows in raw units, (windows, history, columns); NaN before a series begins."""
        index = windows.history_index(starts, self.layout.history)
        short = ~self.is_complete(starts)
        values = self.values[np.maximum(index, 0)]
        if short.any():
            firsts = self.bounds[self.series_of(starts[short]), 0]
            values[short] = np.where((index[short] < firsts[:, np.newaxis])[..., np.newaxis], np.nan, values[short])
        return values

    def is_complete(self, starts: Origins) -> npt.NDArray[np.bool_]:
        """Return which windows have a whole history, (windows,)."""
        return np.asarray(starts - self.bounds[self.series_of(starts), 0] >= self.layout.history)

    def targets(self, starts: Origins) -> Values:
        """Return the targets of windows in raw units, (windows, horizon, targets)."""
        return self.values[windows.target_index(starts, self.layout.horizon), : len(self.layout.targets)]

    def longest_training_series(self) -> tuple[int, npt.NDArray[np.float64]]:
        """Return the number of the series with the longest training set, and its first target there."""
        position = int(np.diff(self.part("train")).argmax())
        begin, end = self.part("train")[position]
        return position, self.values[begin:end, 0].astype(np.float64)

    def series_of(self, starts: Origins) -> npt.NDArray[np.int64]:
        """Return the series of each window, (windows,)."""
        return np.searchsorted(self.bounds[:, 0], starts, side="right") - 1

    def only(self, series: slice) -> "Prepared":
        """Return some of the series, at least one, with the scale of all."""
        bounds = self.bounds[series]
        rows = slice(bounds[0, 0], bounds[-1, 1])
        return self.at(rows, self.ids[series], bounds - rows.start, self.parts[series] - rows.start)

    def blocks(self) -> Iterator["Prepared"]:
        """Yield some series at a time, with the scale of all, so that what is computed of them needs little memory."""
        for series in split_by_size(np.diff(self.bounds)[:, 0].tolist(), OBSERVATIONS_PER_BLOCK):
            yield self.only(series)

    def of_each_series(self, compute: "Callable[[Prepared], npt.NDArray[Any]]") -> npt.NDArray[Any]:
        """Return what is computed of each series, (series, …), a block at a time."""
        return np.concatenate([compute(block) for block in self.blocks()])

    def sampled(self, limit: int) -> "Prepared":
        """Return at most this many of the series, spread evenly, the first among them; with the scale of all."""
        if len(self.ids) <= limit:
            return self
        chosen = np.linspace(0, len(self.ids) - 1, limit).astype(np.int64)
        ids, bounds = [self.ids[number] for number in chosen], self.bounds[chosen]
        lengths = np.diff(bounds)[:, 0]
        moved = bounds[:, :1] - (np.cumsum(lengths) - lengths)[:, np.newaxis]
        rows = windows.origins(bounds, 0, 1, 1, bounds[:, 0])
        return self.at(rows, ids, bounds - moved, self.parts[chosen] - moved[:, np.newaxis])

    def at(self, rows: Any, ids: list[str], bounds: PartRange, parts: PartRange) -> "Prepared":
        """Return the observations of some rows as series with these ids and ranges."""
        times, values, filled = self.times[rows], self.values[rows], self.filled[rows]
        return replace(self, ids=ids, times=times, values=values, filled=filled, bounds=bounds, parts=parts)

    def seen_by(self, network: "keras.Model") -> "Prepared":
        """Return the same series, and the same origins, with the history that the input of a network asks for."""
        return self.view(history=network.input_shape[1] or self.layout.history)

    def view(self, **changes: Any) -> "Prepared":
        """Return the same series, and the same origins, with another history or normalisation in the layout."""
        past = self.layout.past or self.layout.history
        return replace(self, layout=replace(self.layout, past=past, **changes))

    def cut_at(self, parts: PartRange) -> "Prepared":
        """Return the same series with other parts and the scale of the new training set."""
        trained = inside(len(self.values), parts[:, 0])
        mean, deviation = fit_scale(self.values[trained], self.layout.scale)
        return replace(self, parts=parts, layout=replace(self.layout, mean=mean, deviation=deviation))

    def known_before(self, part: str) -> "Prepared":
        """Return the same series with everything before a part as the training set, and no validation set."""
        begin, end = self.part(part).T
        return self.cut_at(parts_between(self.bounds[:, 0], begin, begin, end))


def parts_between(*edges: npt.NDArray[np.int64]) -> PartRange:
    """Return the ranges of parts, (series, parts, 2), between neighbouring edges of each series."""
    columns = np.column_stack(edges)
    return np.stack([columns[:, :-1], columns[:, 1:]], axis=-1)


def inside(length: int, bounds: PartRange) -> npt.NDArray[np.bool_]:
    """Return which of `length` positions are within one of the bounds, (length,)."""
    edges = np.zeros(length + 1, np.int8)  # wraps around where many empty bounds meet, and back
    np.add.at(edges, bounds[:, 0], 1)
    np.add.at(edges, bounds[:, 1], -1)
    return np.cumsum(edges[:-1], dtype=np.int8) > 0


def range_sums(values: npt.NDArray[np.float64], ranges: PartRange) -> npt.NDArray[np.float64]:
    """Return the sums of values, (positions, columns), over ranges of positions; 0 over an empty range.

    Each range is summed on its own. Differences of cumulative sums would lose the digits of small series.
    """
    padded = np.concatenate([values, np.zeros((1, values.shape[1]))])
    sums = np.add.reduceat(padded, ranges.ravel(), axis=0)[::2]
    return np.where((ranges[:, 0] < ranges[:, 1])[:, np.newaxis], sums, 0.0)


def fit_scale(train: npt.NDArray[Any], scale: str) -> tuple[list[float], list[float]]:
    """Return mean and deviation of each column of the training set; 0 and 1 without scaling or values."""
    if scale == "none" or not len(train):
        return [0.0] * train.shape[1], [1.0] * train.shape[1]
    deviation = train.std(axis=0, dtype=np.float64)
    return train.mean(axis=0, dtype=np.float64).tolist(), np.where(deviation > 0, deviation, 1.0).tolist()


def write(prepared: Prepared, out: Path) -> None:
    """Write `series.parquet` (`ds`, float32 columns, `filled`), `parts.parquet` (a row per series), `layout.json`."""
    columns = prepared.layout.columns
    tables = (
        pd.DataFrame({"ds": block.times, **dict(zip(columns, block.values.T, strict=True)), "filled": block.filled})
        for block in prepared.blocks()
    )
    write_tables(out / "series.parquet", tables)
    write_parts(prepared, out)
    write_document(out / "layout.json", asdict(prepared.layout))


def read(folder: Path) -> Prepared:
    """Read the folder of `write`."""
    layout = Layout(**read_document(folder / "layout.json"))
    ids, bounds, parts = read_parts(folder)
    times = pd.Index(read_table(folder / "series.parquet", ["ds"])["ds"])
    arrays = read_arrays(folder / "series.parquet", [*layout.columns, "filled"])
    values = np.column_stack([arrays.pop(name) for name in layout.columns])
    return Prepared(ids, times, values, arrays["filled"], bounds, parts, layout)


def write_parts(prepared: Prepared, out: Path) -> None:
    """Write the ranges of each series and its parts."""
    ranges = np.concatenate([prepared.bounds[:, np.newaxis], prepared.parts], axis=1)  # (series, 1 + parts, 2)
    columns = dict(zip(_EDGES, ranges.reshape(len(ranges), -1).T, strict=True))
    write_table(out / "parts.parquet", pd.DataFrame({"unique_id": prepared.ids, **columns}))


def read_parts(folder: Path) -> tuple[list[str], PartRange, PartRange]:
    """Read the ids of the series, their ranges, and the ranges of their parts."""
    frame = read_table(folder / "parts.parquet")
    ranges = frame[_EDGES].to_numpy().reshape(len(frame), -1, 2)
    return frame["unique_id"].tolist(), ranges[:, 0], ranges[:, 1:]

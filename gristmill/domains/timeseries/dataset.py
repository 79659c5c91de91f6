"""What preprocess publishes and every later stage reads: the series, their parts, their windows and their scale.

All series lie one after the other in one array, (observations, columns): targets first, then inputs, then what is
known ahead. The known columns are shifted: at position t stands what is known of t + horizon (`shape.py`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import windows
from gristmill.domains.timeseries.windows import Origins
from gristmill.util.table_io import read_document, read_table, write_document, write_table

Values = npt.NDArray[np.float32]
Bounds = npt.NDArray[np.int64]  # (…, 2): half-open ranges of positions

MODEL = "model"  # the column of the model's forecasts, beside those of the baselines
PARTS = ("train", "validation", "test")  # in the order of time
_EDGES = ("begin", "end")


@dataclass(frozen=True)
class Layout:
    """How series are cut and scaled; fitted once, used by every stage."""

    targets: list[str]
    inputs: list[str]
    known: list[str]
    frequency: str
    history: int
    horizon: int
    stride: int
    scale: str
    normalise: str
    residual: bool
    mean: list[float]  # of each column's training part
    deviation: list[float]  # of each column's training part, not 0

    @property
    def channels(self) -> int:
        """Columns of values: targets and inputs."""
        return len(self.targets) + len(self.inputs)


@dataclass(frozen=True)
class Prepared:
    """Series ready for training."""

    ids: list[str]  # (series,)
    times: pd.Index  # (observations,)
    values: Values  # (observations, columns), in the series' own units
    filled: npt.NDArray[np.bool_]  # (observations,): made by ingest to fill a hole
    bounds: Bounds  # (series, 2): where each series lies
    parts: Bounds  # (series, 3, 2): where train, validation and test lie in it
    layout: Layout

    def part(self, name: str) -> Bounds:
        """Return where a part lies in each series: (series, 2)."""
        return self.parts[:, PARTS.index(name)]

    def origins(self, part: str) -> Origins:
        """Return the origins of a part's windows, series by series.

        A window is left out where one of its targets was filled in, which would be judged on our own invention, or
        where the value before its origin was, which may have been interpolated towards what came after.
        """
        layout = self.layout
        made = [
            windows.origins((int(begin), int(end)), layout.history, layout.horizon, layout.stride, int(first))
            for (begin, end), first in zip(self.part(part), self.bounds[:, 0], strict=True)
        ]
        starts = np.concatenate(made) if made else np.empty(0, np.int64)
        if not self.filled.any():
            return starts
        before = np.concatenate([[0], np.cumsum(self.filled)])
        sound: Origins = starts[before[starts + layout.horizon] == before[starts - 1]]
        return sound

    def histories(self, starts: Origins) -> Values:
        """Return what windows see, in raw units: (windows, history, columns)."""
        return self.values[windows.history_index(starts, self.layout.history)]

    def targets(self, starts: Origins) -> Values:
        """Return what windows are judged on, in raw units: (windows, horizon, targets)."""
        return self.values[windows.target_index(starts, self.layout.horizon), : len(self.layout.targets)]

    def by_series(self, starts: Origins) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Yield each series that has some of these origins, and at which positions they stand."""
        owner = self.series_of(starts)
        order = np.argsort(owner, kind="stable")
        present, begins = np.unique(owner[order], return_index=True)
        yield from zip(present.tolist(), np.split(order, begins)[1:], strict=True)

    def series_of(self, starts: Origins) -> npt.NDArray[np.int64]:
        """Return which series each window belongs to: (windows,)."""
        return np.searchsorted(self.bounds[:, 0], starts, side="right") - 1

    def only(self, stretch: slice) -> "Prepared":
        """Return a stretch of the series, at least one, as if there were no others but for the scale."""
        bounds = self.bounds[stretch]
        begin, end = bounds[0, 0], bounds[-1, 1]
        return replace(
            self,
            ids=self.ids[stretch],
            times=self.times[begin:end],
            values=self.values[begin:end],
            filled=self.filled[begin:end],
            bounds=bounds - begin,
            parts=self.parts[stretch] - begin,
        )

    def cut_at(self, parts: Bounds) -> "Prepared":
        """Return the same series cut elsewhere, with the scale of the new training part."""
        trained = inside(len(self.values), parts[:, 0])
        mean, deviation = fit_scale(self.values[trained], self.layout.scale)
        return replace(self, parts=parts, layout=replace(self.layout, mean=mean, deviation=deviation))


def inside(length: int, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """Return which of so many positions lie within one of the bounds: (length,)."""
    edges = np.zeros(length + 1, np.int64)
    np.add.at(edges, bounds[:, 0], 1)
    np.add.at(edges, bounds[:, 1], -1)
    return np.cumsum(edges[:-1]) > 0


def fit_scale(train: npt.NDArray[Any], scale: str) -> tuple[list[float], list[float]]:
    """Return mean and deviation of each column of the training part, or 0 and 1 for no scaling or an empty part."""
    if scale == "none" or not len(train):
        return [0.0] * train.shape[1], [1.0] * train.shape[1]
    deviation = train.std(axis=0, dtype=np.float64)
    return train.mean(axis=0, dtype=np.float64).tolist(), np.where(deviation > 0, deviation, 1.0).tolist()


def write(prepared: Prepared, out: Path) -> None:
    """Write `series.parquet` (`ds`, float32 columns, `filled`), `parts.parquet` (one row a series), `layout.json`."""
    layout = prepared.layout
    names = [*layout.targets, *layout.inputs, *layout.known]
    columns = {name: prepared.values[:, at] for at, name in enumerate(names)}
    write_table(out / "series.parquet", pd.DataFrame({"ds": prepared.times, **columns, "filled": prepared.filled}))
    write_parts(prepared, out)
    write_document(out / "layout.json", asdict(layout))


def read(folder: Path) -> Prepared:
    """Read what `write` wrote."""
    frame = read_table(folder / "series.parquet")
    ids, bounds, parts = read_parts(folder)
    return Prepared(
        ids=ids,
        times=pd.Index(frame["ds"]),
        values=frame.iloc[:, 1:-1].to_numpy(np.float32),
        filled=frame["filled"].to_numpy(),
        bounds=bounds,
        parts=parts,
        layout=Layout(**read_document(folder / "layout.json")),
    )


def write_parts(prepared: Prepared, out: Path) -> None:
    """Write where each series and its parts lie."""
    ranges = {"series": prepared.bounds, **{part: prepared.part(part) for part in PARTS}}
    columns = {f"{name}_{edge}": bounds[:, at] for name, bounds in ranges.items() for at, edge in enumerate(_EDGES)}
    write_table(out / "parts.parquet", pd.DataFrame({"unique_id": prepared.ids, **columns}))


def read_parts(folder: Path) -> tuple[list[str], Bounds, Bounds]:
    """Return the ids of the series, where each lies, and where its parts do."""
    frame = read_table(folder / "parts.parquet")
    ranges = [frame[[f"{name}_{edge}" for edge in _EDGES]].to_numpy() for name in ("series", *PARTS)]
    return frame["unique_id"].tolist(), ranges[0], np.stack(ranges[1:], axis=1)

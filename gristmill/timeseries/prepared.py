"""What preprocess publishes and every later stage reads: the series, its parts, its windows and its scale."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.tables import read_document, read_table, write_document, write_table
from gristmill.timeseries import windows
from gristmill.timeseries.windows import Origins

Values = npt.NDArray[np.float32]


MODEL = "model"  # the column of the model's forecasts, beside those of the baselines
PARTS = ("train", "validation", "test")  # in the order of time


@dataclass(frozen=True)
class Layout:
    """How a series is cut and scaled; fitted once, used by every stage."""

    target: str
    frequency: str
    history: int
    horizon: int
    stride: int
    parts: dict[str, tuple[int, int]]  # of `PARTS`: half-open ranges of positions
    mean: float  # of the training part
    deviation: float  # of the training part, not 0


@dataclass(frozen=True)
class Prepared:
    """A series ready for training."""

    times: pd.DatetimeIndex
    values: Values  # (observations,), in the series' own units
    layout: Layout

    def origins(self, part: str) -> Origins:
        """Return the origins of a part's windows."""
        return windows.origins(self.layout.parts[part], self.layout.history, self.layout.horizon, self.layout.stride)

    def histories(self, part: str) -> Values:
        """Return what a part's windows see, in raw units: (windows, history)."""
        return self.values[windows.history_index(self.origins(part), self.layout.history)]

    def targets(self, part: str) -> Values:
        """Return what a part's windows are judged on, in raw units: (windows, horizon)."""
        return self.values[windows.target_index(self.origins(part), self.layout.horizon)]


def write(prepared: Prepared, out: Path) -> None:
    """Write `series.parquet` (`ds`, `y` float32) and `layout.json`."""
    write_table(out / "series.parquet", pd.DataFrame({"ds": prepared.times, "y": prepared.values}))
    write_document(out / "layout.json", asdict(prepared.layout))


def read(folder: Path) -> Prepared:
    """Read what `write` wrote."""
    frame = read_table(folder / "series.parquet")
    layout = read_document(folder / "layout.json")
    layout["parts"] = {name: tuple(layout["parts"][name]) for name in PARTS}
    return Prepared(pd.DatetimeIndex(frame["ds"]), frame["y"].to_numpy(), Layout(**layout))

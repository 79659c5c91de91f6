"""Change points of single series; workers can search for them in chunks.

With more than `MAX_SERIES` series, an evenly spread sample of them is searched.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.timeseries import change_points
from gristmill.domains.timeseries.dataset import PartRange, Prepared
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_table, write_table

FILE = "segments.parquet"
MAX_SERIES = 1_000  # series that are searched for change points and anomalies
SHORT_SERIES_PER_CHUNK = 2_000  # at 4 ms each; fewer do not repay the start of a worker


def chunk_slices(bounds: PartRange) -> list[slice]:
    """Return slices of about `SHORT_SERIES_PER_CHUNK` short series, or of fewer long ones.

    The search for change points costs as many pairs of points, most of which it skips in long series.
    """
    return split_by_size(1 + (np.minimum(np.diff(bounds)[:, 0], 500) / 70) ** 2, SHORT_SERIES_PER_CHUNK)


def analyse(data: Prepared, chunk: slice = slice(None)) -> pd.DataFrame:
    """Return the segments between the change points of the first target, of all series or of a chunk."""
    some = data.only(chunk)
    segments = []
    for name, (begin, end) in zip(some.ids, some.bounds, strict=True):
        for segment in change_points.segments(some.values[begin:end, 0].astype(np.float64), data.layout.season):
            first, last = some.times[[begin + segment.begin, begin + segment.end - 1]]
            segments.append({"unique_id": name} | asdict(segment) | {"begin": first, "end": last})
    return pd.DataFrame(segments)


def write(segments: pd.DataFrame, out: Path) -> None:
    """Write `segments.parquet`."""
    write_table(out / FILE, segments)


def read(folders: Sequence[Path]) -> pd.DataFrame:
    """Read the folders of `write`, one for each chunk in order."""
    return pd.concat([read_table(folder / FILE) for folder in folders], ignore_index=True)

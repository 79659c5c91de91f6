"""Analyses of single series in evaluate, baseline forecasts and change points; workers can run them in chunks."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.timeseries import change_points
from gristmill.domains.timeseries.baseline_forecasts import baselines_of, by_baselines
from gristmill.domains.timeseries.dataset import PartRange, Prepared
from gristmill.domains.timeseries.forecasts import Array
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_table, write_table

Baselines = dict[str, dict[str, Array]]  # by part and baseline: (windows, horizon, targets)

SHORT_SERIES_PER_CHUNK = 2_000  # at 4 ms each; fewer do not repay the start of a worker


def chunk_slices(bounds: PartRange, targets: int) -> list[slice]:
    """Return slices of about `SHORT_SERIES_PER_CHUNK` short series, or of fewer long ones.

    The costs relative to a short series were measured. Baselines of each target grow with the length; the search for
    change points grows with pairs of points, and skips more of them in long series.
    """
    lengths = np.diff(bounds)[:, 0]
    return split_by_size(1 + targets * lengths / 500 + (np.minimum(lengths, 500) / 70) ** 2, SHORT_SERIES_PER_CHUNK)


def parts_of(data: Prepared) -> list[str]:
    """Return the parts to forecast: validation if it has windows, and test."""
    return [part for part in ("validation", "test") if len(data.origins(part))]


def analyse(data: Prepared, settings: Evaluate, chunk: slice = slice(None)) -> tuple[Baselines, pd.DataFrame]:
    """Return baseline forecasts, and the segments between the change points of each series' first target.

    Only some series are analysed, but the baselines are those for which all series of `data` have enough past.
    """
    parts = parts_of(data)
    names = baselines_of(data, settings, *parts)
    some = data.only(chunk)
    forecasts = {part: by_baselines(some, part, some.origins(part), settings, names) for part in parts}
    segments = []
    for name, (begin, end) in zip(some.ids, some.bounds, strict=True):
        for segment in change_points.segments(some.values[begin:end, 0].astype(np.float64), settings.season):
            first, last = some.times[[begin + segment.begin, begin + segment.end - 1]]
            segments.append({"unique_id": name} | asdict(segment) | {"begin": first, "end": last})
    return forecasts, pd.DataFrame(segments)


def write(baselines: Baselines, segments: pd.DataFrame, out: Path) -> None:
    """Write `segments.parquet`, and for each part `<part>.parquet` with a column for each baseline."""
    write_table(out / "segments.parquet", segments)
    for part, made in baselines.items():
        write_table(out / f"{part}.parquet", pd.DataFrame({name: values.ravel() for name, values in made.items()}))


def read(folders: Sequence[Path], data: Prepared) -> tuple[Baselines, pd.DataFrame]:
    """Read the folders of `write`, one for each chunk in order."""

    def table(name: str) -> pd.DataFrame:
        return pd.concat([read_table(folder / name) for folder in folders], ignore_index=True)

    shape = (-1, data.layout.horizon, len(data.layout.targets))
    baselines: Baselines = {}
    for part in parts_of(data):
        rows = table(f"{part}.parquet")
        baselines[part] = {str(name): rows[name].to_numpy().reshape(shape) for name in rows}
    return baselines, table("segments.parquet")

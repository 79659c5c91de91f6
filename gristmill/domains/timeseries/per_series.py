"""What evaluate finds out of every series by itself, simple forecasts and regimes: any worker can do it for some."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.timeseries import change_points
from gristmill.domains.timeseries.baseline_forecasts import baselines_of, by_baselines
from gristmill.domains.timeseries.dataset import Bounds, Prepared
from gristmill.domains.timeseries.forecasts import Array
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_table, write_table

SOME = 2_000  # short series, of 4 ms each: of that a worker is worth its start


@dataclass(frozen=True)
class PerSeriesResults:
    """What was found out of series."""

    baselines: dict[str, dict[str, Array]]  # by part and baseline: (windows, horizon, targets)
    segments: pd.DataFrame  # the regimes of each series' first target


def cut(bounds: Bounds, targets: int) -> list[slice]:
    """Return the series in stretches of about `SOME` short ones, or of fewer long ones.

    What a series takes beside a short one, as was measured: the fits of each target grow with its length, the search
    for regimes with pairs of points, of which it looks at fewer and fewer in long ones.
    """
    lengths = np.diff(bounds)[:, 0]
    return split_by_size(1 + targets * lengths / 500 + (np.minimum(lengths, 500) / 70) ** 2, SOME)


def parts_of(data: Prepared) -> list[str]:
    """Return the parts that are forecast: validation, where there is one, and test."""
    return [part for part in ("validation", "test") if len(data.origins(part))]


def look(data: Prepared, settings: Evaluate, stretch: slice = slice(None)) -> PerSeriesResults:
    """Look at a stretch of the series; the baselines are those that all of them have the past for.

    Args:
        data: all series.
        settings: of evaluate, with the season.
        stretch: which of them.
    """
    parts = parts_of(data)
    names = baselines_of(data, settings, *parts)
    some = data.only(stretch)
    made = {part: by_baselines(some, part, some.origins(part), settings, names) for part in parts}
    return PerSeriesResults(made, _segments(some, settings.season))


def write(found: PerSeriesResults, out: Path) -> None:
    """Write `segments.parquet` and, of each part, `<part>.parquet` with a column a baseline."""
    write_table(out / "segments.parquet", found.segments)
    for part, made in found.baselines.items():
        write_table(out / f"{part}.parquet", pd.DataFrame({name: values.ravel() for name, values in made.items()}))


def read(folders: Sequence[Path], data: Prepared) -> PerSeriesResults:
    """Read what `write` wrote of each stretch of the series, in their order."""
    shape = (-1, data.layout.horizon, len(data.layout.targets))
    made = {part: _read(folders, f"{part}.parquet") for part in parts_of(data)}
    return PerSeriesResults(
        {part: {str(name): rows[name].to_numpy().reshape(shape) for name in rows} for part, rows in made.items()},
        _read(folders, "segments.parquet"),
    )


def _read(folders: Sequence[Path], name: str) -> pd.DataFrame:
    return pd.concat([read_table(folder / name) for folder in folders], ignore_index=True)


def _segments(data: Prepared, season: int | None) -> pd.DataFrame:
    found = []
    for name, (begin, end) in zip(data.ids, data.bounds, strict=True):
        for segment in change_points.segments(data.values[begin:end, 0].astype(np.float64), season):
            first, last = data.times[[begin + segment.begin, begin + segment.end - 1]]
            about = asdict(segment) | {"begin": first, "end": last}
            found.append({"unique_id": name} | about)
    return pd.DataFrame(found)

"""Ingest: a source's rows as one regular series, checked and counted."""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from gristmill.errors import DataError, shown
from gristmill.tables import write_document, write_table
from gristmill.timeseries.settings import Ingest


class TableSource(Protocol):
    """A source that reads columns of a table."""

    def read(self, path: Path, texts: list[str], numbers: list[str]) -> pd.DataFrame: ...


def ingest(*, source: TableSource, ingest: Ingest, path: Path, out: Path) -> dict[str, int]:
    """Read the series, put it in order on a regular grid and write it.

    Writes `series.parquet` (`ds` timestamp, `y` float64) and `summary.json` (frequency, span, repairs, statistics).

    Args:
        source: how to read the table.
        ingest: which columns hold time and value, and what to do about gaps.
        path: the located file.
        out: folder to write to.

    Returns:
        Counts of rows and repairs.

    Raises:
        DataError: times that cannot be read, stand twice or follow no frequency; gaps where they are not allowed.
    """
    rows = source.read(path, [ingest.time], [ingest.target])
    times = parse_times(rows[ingest.time], ingest.time_format, path)
    ordered = pd.DataFrame({"row": rows.index, "y": rows[ingest.target].to_numpy()}, index=pd.DatetimeIndex(times))
    ordered = ordered.sort_index(kind="stable")
    _refuse_duplicates(ordered, path)
    frequency = ingest.frequency or infer_frequency(pd.DatetimeIndex(ordered.index), path)
    whole = on_grid(ordered, frequency, path)
    regular = trimmed(whole, path)
    filled = fill_holes(regular, ingest.gaps, frequency, path)
    counts = {
        "rows": len(filled),
        "interpolated": int(regular.isna().sum()),
        "empty_at_the_ends": len(whole) - len(regular),
        "out_of_order": int((times.diff() < pd.Timedelta(0)).sum()),
    }
    write_table(out / "series.parquet", pd.DataFrame({"ds": filled.index, "y": filled.to_numpy()}))
    write_document(out / "summary.json", summary(filled, frequency, ingest.target, counts))
    return counts


def parse_times(cells: "pd.Series[str]", time_format: str | None, path: Path) -> "pd.Series[pd.Timestamp]":
    """Return a column of timestamps, indexed by row; without a format it is guessed from the first cell."""
    remedy = "Mend it, set time_format in the table 'ingest', or name another column as time."
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of a day before its month
            warnings.filterwarnings("error", "Could not infer format")
            times = pd.to_datetime(cells, format=time_format, errors="coerce")
    except (ValueError, UserWarning, re.error) as error:
        received = shown(cells.iloc[0])
        raise DataError(f"{path}, column {cells.name!r}: not times, from {received} on: {error} {remedy}") from None
    bad = times.isna()
    if bad.any():
        first = int(bad.argmax())
        received = "an empty cell" if pd.isna(cells.iloc[first]) else shown(cells.iloc[first])
        raise DataError(
            f"{path} row {cells.index[first]}, column {cells.name!r}: not a time in the format of the first row: "
            f"{received} ({bad.sum()} such cells). {remedy}"
        )
    return times


def trimmed(regular: "pd.Series[float]", path: Path) -> "pd.Series[float]":
    """Return the series from its first value to its last."""
    if regular.isna().all():
        raise DataError(f"{path}: all {len(regular)} values are missing. Check the target column.")
    return regular.loc[regular.first_valid_index() : regular.last_valid_index()]


def fill_holes(regular: "pd.Series[float]", policy: str, frequency: str, path: Path) -> "pd.Series[float]":
    """Return the series without holes: interpolated, or refused where there are any."""
    holes = regular.isna()
    if holes.any() and policy == "error":
        first = regular.index[int(holes.argmax())]
        raise DataError(
            f"{path}: {holes.sum()} of {len(regular)} values are missing at frequency {frequency}, the first at "
            f"{first:%Y-%m-%d %H:%M}. Complete the file, set time_format if the times were misread, or set "
            "gaps = 'interpolate' in the table 'ingest'."
        )
    return regular.interpolate()


def infer_frequency(times: pd.DatetimeIndex, path: Path, run: int = 12) -> str:
    """Return the pandas frequency alias of sorted `times`: the one that most unbroken runs of 12 show."""
    if len(times) < 3:
        raise DataError(
            f"{path}: {len(times)} rows are too few to infer a frequency. Set frequency in the table 'ingest'."
        )
    runs = (times[start : start + run] for start in range(0, max(1, len(times) - run + 1), run))
    found = Counter(alias for chunk in runs if len(chunk) >= 3 and (alias := _frequency_of(chunk)))
    if not found:
        raise DataError(
            f"{path}: the times follow no regular frequency. "
            "Set frequency in the table 'ingest' (a pandas alias: 'D', 'MS', 'h')."
        )
    return found.most_common(1)[0][0]


def _frequency_of(times: pd.DatetimeIndex) -> str | None:
    with pd.option_context("future.infer_freq_returns_offset", True):
        offset: Any = pd.infer_freq(times)
    return None if offset is None else str(offset.freqstr)


def on_grid(ordered: pd.DataFrame, frequency: str, path: Path) -> "pd.Series[float]":
    """Return the values on every point of the frequency from first to last; points without a row are NaN."""
    times = ordered.index
    try:
        grid = pd.date_range(times[0], times[-1], freq=frequency)
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"{path}: frequency {frequency!r} in the table 'ingest': {error}. Expected a pandas alias: 'D', 'MS', 'h'."
        ) from None
    astray = ~times.isin(grid)
    if astray.any():
        first = int(astray.argmax())
        raise DataError(
            f"{path} row {ordered['row'].iloc[first]}: {times[first]} is not on the grid of frequency {frequency} "
            f"that starts at {times[0]} ({astray.sum()} such rows). "
            "Mend the times, or set frequency in the table 'ingest'."
        )
    return ordered["y"].reindex(grid)


def summary(series: "pd.Series[float]", frequency: str, target: str, counts: dict[str, int]) -> dict[str, object]:
    """Return what is worth knowing of a series at a glance."""
    quantiles = series.quantile([0.0, 0.25, 0.5, 0.75, 1.0])
    return {
        "target": target,
        "frequency": frequency,
        "first": str(series.index[0]),
        "last": str(series.index[-1]),
        "counts": counts,
        "statistics": {
            "mean": float(series.mean()),
            "deviation": float(series.std(ddof=0)),
            **dict(zip(("min", "quarter", "median", "three_quarters", "max"), quantiles.tolist(), strict=True)),
        },
    }


def _refuse_duplicates(ordered: pd.DataFrame, path: Path) -> None:
    again = ordered.index.duplicated()
    if again.any():
        second = int(again.argmax())
        rows = ordered["row"].iloc[second - 1 : second + 1]
        raise DataError(
            f"{path} rows {rows.iloc[0]} and {rows.iloc[1]}: both are {ordered.index[second]} "
            f"({again.sum()} duplicates). Keep one row a time."
        )

"""Ingest: a source's rows as one regular series, checked and counted."""

from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from gristmill.errors import DataError
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
    times = parse_times(rows[ingest.time], path)
    disorder = int((times.diff().dt.total_seconds() < 0).sum())
    times = times.sort_values(kind="stable")
    series, row_of = (
        pd.Series(rows[ingest.target].loc[times.index].to_numpy(), index=pd.DatetimeIndex(times)),
        times.index,
    )
    _refuse_duplicates(pd.DatetimeIndex(times), row_of, path)
    frequency = ingest.frequency or infer_frequency(pd.DatetimeIndex(times), path)
    regular = on_grid(series, frequency, row_of, path)
    gaps = int(len(regular) - len(series))
    holes = int(regular.isna().sum())
    if holes and ingest.gaps == "error":
        first = regular.index[regular.isna()][0]
        raise DataError(
            f"{path}: {holes} of {len(regular)} values are missing at frequency {frequency}, the first "
            f"at {first:%Y-%m-%d %H:%M}. Complete the file, or set gaps = 'interpolate' in the table 'ingest'."
        )
    filled = regular.interpolate(limit_area="inside").dropna()
    counts = {"rows": len(filled), "gaps": gaps, "empty_values": holes - gaps, "out_of_order": disorder}
    write_table(out / "series.parquet", pd.DataFrame({"ds": filled.index, "y": filled.to_numpy()}))
    write_document(out / "summary.json", summary(filled, frequency, ingest.target, counts))
    return counts


def parse_times(cells: "pd.Series[str]", path: Path) -> "pd.Series[pd.Timestamp]":
    """Return a column of timestamps, indexed by row; the format is taken from the first cell."""
    times = pd.to_datetime(cells, errors="coerce")
    bad = times.isna()
    if bad.any():
        first = int(bad.argmax())
        received = "an empty cell" if pd.isna(cells.iloc[first]) else repr(cells.iloc[first])
        raise DataError(
            f"{path} row {cells.index[first]}, column {cells.name!r}: not a time in the format of the first row: "
            f"{received} ({bad.sum()} such cells). Mend the cell, or name another column as time in the table 'ingest'."
        )
    return times


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


def on_grid(series: "pd.Series[float]", frequency: str, row_of: pd.Index, path: Path) -> "pd.Series[float]":
    """Return the series on every point of its frequency from first to last; points without a row are NaN."""
    try:
        grid = pd.date_range(series.index[0], series.index[-1], freq=frequency)
    except ValueError as error:
        raise DataError(
            f"{path}: frequency {frequency!r} in the table 'ingest': {error}. Expected a pandas alias: 'D', 'MS', 'h'."
        ) from None
    astray = ~series.index.isin(grid)
    if astray.any():
        first = int(astray.argmax())
        raise DataError(
            f"{path} row {row_of[first]}: {series.index[first]} is not on the grid of frequency {frequency} "
            f"that starts at {series.index[0]} ({astray.sum()} such rows). "
            "Mend the times, or set frequency in the table 'ingest'."
        )
    return series.reindex(grid)


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


def _refuse_duplicates(times: pd.DatetimeIndex, row_of: pd.Index, path: Path) -> None:
    again = times.duplicated()
    if again.any():
        second = int(again.argmax())
        raise DataError(
            f"{path} rows {row_of[second - 1]} and {row_of[second]}: both are {times[second]} "
            f"({again.sum()} duplicates). Keep one row a time."
        )

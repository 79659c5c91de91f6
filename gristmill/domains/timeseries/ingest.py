"""Ingest: read a source's rows as regular series; check, repair and count them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import check_violations, column_violations, frequency_violations
from gristmill.domains.timeseries.cleaning import clean
from gristmill.domains.timeseries.dedup_and_sort import Observations, in_order, number_series, without_duplicates
from gristmill.domains.timeseries.grid import infer_frequency, on_grid
from gristmill.domains.timeseries.parse_times import read_times
from gristmill.domains.timeseries.settings import Ingest, Schema
from gristmill.domains.timeseries.timezones import to_utc
from gristmill.errors import RequestError
from gristmill.sources.rows import Rows, TableSource
from gristmill.util.table_io import write_document, write_table

RESERVED = {"unique_id", "ds", "filled"}  # columns that ingest itself writes


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the series, place each on its regular grid, fill its gaps and write them.

    Writes
    - `series.parquet`: `unique_id`, `ds` (naive timestamp, or int64 for numbered observations), a float64 column for
      each target, input and known column, and `filled`: whether the row has a value that is not in the source.
      Each series begins when the last of its targets begins and ends when the first of them ends.
      With `gaps = "drop"` rows with a gap are left out, and the remaining rows count as consecutive observations.
    - `future.parquet`, if columns are known ahead: `unique_id`, `ds` and these columns in the rows after that.
    - `summary.json`: columns, frequency, span, counts and statistics.

    The schema has rules for the rows as the source has them, before repairs. Returns the counts of rows and of repairs
    that are not zero.

    Raises:
        DataError: the data contradicts the settings or the schema.
        RequestError: the settings contradict each other.
    """
    names = [*ingest.target, *ingest.inputs, *ingest.known]
    if reserved := sorted(RESERVED.intersection(names)):
        raise RequestError(
            f"the table 'ingest': ingest itself writes columns named {', '.join(reserved)}. Rename them in the source, "
            "or remove them from target, inputs and known."
        )
    rows = source.read(paths, [*ingest.time, *([ingest.series] if ingest.series else [])], names)
    ordered, repairs = _ordered(rows, ingest, names)
    frequency = ingest.frequency or infer_frequency(ordered.times, rows.name, ordered.firsts)
    if schema:
        of_columns = column_violations(rows.frame, schema.columns, rows.where)
        check_violations([*of_columns, *frequency_violations(frequency, schema.frequency)], schema)
    cleaned = clean(_gridded(ordered, frequency, ingest, rows), ingest, frequency, rows.name)
    series, future = cleaned.series, cleaned.future
    counts = {
        "rows": len(series.times),
        "series": len(series.ids) if len(series.ids) > 1 else 0,
        "filled": int(cleaned.filled.sum()),
        "dropped": cleaned.dropped,
        "empty_at_the_ends": cleaned.empty,
        "known_ahead": len(future.times),
        **repairs,
    }
    counts = {name: count for name, count in counts.items() if count}
    write_table(out / "series.parquet", _table(series, names).assign(filled=cleaned.filled))
    if ingest.known:
        write_table(out / "future.parquet", _table(future, ingest.known))
    summary = {
        "targets": ingest.target,
        "inputs": ingest.inputs,
        "known": ingest.known,
        "frequency": frequency,
        "series": len(series.ids),
        "first": str(series.times.min()),
        "last": str(series.times.max()),
        "counts": counts,
        "statistics": {name: _statistics(series.columns[name]) for name in names},
    }
    write_document(out / "summary.json", summary)
    return counts


def _ordered(rows: Rows, ingest: Ingest, names: list[str]) -> tuple[Observations, dict[str, int]]:
    """Return the rows in order, one for each time of a series, and counts of repairs."""
    numbers, ids = number_series(rows, ingest.series, ingest.target[0])
    times, converted = read_times(rows, ingest)
    if isinstance(times, pd.DatetimeIndex):
        times, more = to_utc(times, ingest.timezone, ingest.frequency, numbers, rows)
        converted += more
    columns = {name: rows.frame[name].to_numpy(np.float64) for name in names}
    ordered, out_of_order = in_order(times, numbers, ids, columns)
    single = without_duplicates(ordered, ingest.duplicates, rows.where)
    return single, {
        "duplicates": len(ordered.times) - len(single.times),
        "out_of_order": out_of_order,
        "converted_to_utc": converted,
    }


def _gridded(ordered: Observations, frequency: str, ingest: Ingest, rows: Rows) -> Observations:
    """Return the series on every point of their grids, NaN where a point has no row."""

    def where(row: int) -> str:
        return rows.where(int(ordered.positions[row]))

    grid = on_grid(ordered.times, ordered.firsts, frequency, ingest.frequency is None, where)
    series = np.repeat(np.arange(len(grid.sizes)), grid.sizes)
    columns = {name: grid.spread(values) for name, values in ordered.columns.items()}
    return Observations(ordered.ids, series, grid.times, columns)


def _table(rows: Observations, names: Sequence[str]) -> pd.DataFrame:
    labels = {"unique_id": rows.ids[rows.series], "ds": rows.times}
    return pd.DataFrame({**labels, **{name: rows.columns[name] for name in names}})


def _statistics(values: npt.NDArray[np.float64]) -> dict[str, float]:
    names = ("min", "quarter", "median", "three_quarters", "max")
    quantiles = dict(zip(names, np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist(), strict=True))
    return {"mean": float(values.mean()), "deviation": float(values.std()), **quantiles}

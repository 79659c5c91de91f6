"""Ingest: read a source's rows as regular series; check, repair and count them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.data_schema.checks import check_violations, column_violations, frequency_violations
from gristmill.domains.timeseries.data.cleaning import (
    Integers,
    Observations,
    clean,
    in_order,
    number_series,
    without_duplicates,
)
from gristmill.domains.timeseries.data.grid import OffGrid, infer_frequency, on_grid
from gristmill.domains.timeseries.data.times import read_times, to_utc
from gristmill.domains.timeseries.settings import Ingest, Schema
from gristmill.errors import RequestError
from gristmill.sources.file_content import lacks_line_end
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import Rows, TableSource
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_arrays, table_writer, write_document

RESERVED = {"unique_id", "ds", "filled"}  # columns that ingest itself writes
ROWS_PER_BLOCK = 1 << 20  # about as many, in whole series


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
    - `summary.json`: columns, frequency, span, whether all files end with a line break, counts, missing values (also at
      times without a row) and statistics.

    The schema has rules for the rows as the source has them, before repairs. Returns the counts of rows and of repairs
    that are not zero. Rows that cannot be used are set aside, up to the share `quarantine`, and listed in
    `quarantine.csv`.

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
    return Quarantine(source).ingest(ingest.quarantine, out, lambda usable: _ingest(usable, ingest, out, paths, schema))


def _ingest(
    source: Quarantine, ingest: Ingest, out: Path, paths: tuple[Path, ...], schema: Schema | None
) -> dict[str, int]:
    """Write the series of the usable rows, and return their counts."""
    # Read the rows, and check them against the schema.
    names = [*ingest.target, *ingest.inputs, *ingest.known]
    rows = source.read(paths, [*ingest.time, *ingest.series], names)
    of_columns = list(column_violations(rows.frame, schema.columns, rows.where)) if schema else []
    by_series = RowsBySeries.of(rows, ingest, names)
    del rows  # its text takes more memory than all else
    frequency = by_series.frequency(ingest)
    if schema:
        check_violations([*of_columns, *frequency_violations(frequency, schema.frequency)], schema)

    # Write the series, and a summary of them.
    counts, missing, (first, last) = _write_series(by_series, frequency, ingest, out)
    counts |= source.counts
    summary: dict[str, Any] = {"targets": ingest.target, "inputs": ingest.inputs, "known": ingest.known}
    summary |= {"frequency": frequency, "series": len(by_series.rows.ids), "first": str(first), "last": str(last)}
    summary["line_ends"] = not any(map(lacks_line_end, paths))
    del by_series
    quantiles, statistics = ("min", "quarter", "median", "three_quarters", "max"), {}
    for name in names:
        values = read_arrays(out / "series.parquet", [name])[name]
        spread = zip(quantiles, np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist(), strict=True)
        statistics[name] = {"mean": float(values.mean()), "deviation": float(values.std()), **dict(spread)}
    write_document(out / "summary.json", summary | {"counts": counts, "missing": missing, "statistics": statistics})
    return counts


def _write_series(
    rows: "RowsBySeries", frequency: str, ingest: Ingest, out: Path
) -> tuple[dict[str, int], dict[str, int], tuple[Any, Any]]:
    """Write the series, a block at a time.

    Return counts that are not zero, the missing values of each column, and the first and the last time.
    """
    names = [*ingest.target, *ingest.inputs, *ingest.known]
    counts, missing, ends = Counter[str](), Counter[str](), []
    with table_writer(out / "series.parquet") as write, table_writer(out / "future.parquet") as write_future:
        for block in rows.blocks:
            # Order the rows, place them on the grid, and fill the gaps.
            ordered, repairs = rows.ordered(block, ingest)
            gridded = _gridded(ordered, frequency, ingest, rows.source)
            cleaned = clean(gridded, ingest, frequency, rows.source.name)

            # Write and count them.
            series, future = cleaned.series, cleaned.future
            missing.update(cleaned.missing)
            write(_table(series, names).assign(filled=cleaned.filled))
            if ingest.known:
                write_future(_table(future, ingest.known))
            ends += [series.times.min(), series.times.max()]
            counts.update(
                rows=len(series.times),
                series=len(series.ids) if series.several else 0,
                filled=int(cleaned.filled.sum()),
                dropped=cleaned.dropped,
                empty_at_the_ends=cleaned.empty,
                known_ahead=len(future.times),
                **repairs,
            )
    counts["converted_to_utc"] = rows.converted
    return {name: count for name, count in counts.items() if count}, missing, (min(ends), max(ends))


def _gridded(ordered: Observations, frequency: str, ingest: Ingest, rows: Rows) -> Observations:
    """Return the series on every point of their grids, NaN where a point has no row."""

    def where(row: int) -> str:
        return rows.where(int(ordered.positions[row]))

    try:
        grid = on_grid(ordered.times, ordered.firsts, frequency, ingest.frequency is None, where)
    except OffGrid as error:
        bad = np.zeros(len(rows.frame), bool)
        bad[ordered.positions[error.rows]] = True
        raise rows.unusable(bad, str(error), f"a time that is not on the grid of frequency {frequency}") from None
    series = np.repeat(np.arange(len(grid.sizes)), grid.sizes)
    columns = {name: grid.spread(values) for name, values in ordered.columns.items()}
    return Observations(ordered.ids, series, grid.times, columns, several=ordered.several)


def _table(rows: Observations, names: Sequence[str]) -> pd.DataFrame:
    labels = {"unique_id": rows.ids[rows.series], "ds": rows.times}
    return pd.DataFrame({**labels, **{name: rows.columns[name] for name in names}})


@dataclass(frozen=True)
class RowsBySeries:
    """Rows in the order of the source, and the series of each.

    A block of series at a time is ordered, so that sorting needs little memory.
    """

    source: Rows  # without columns; it knows the place of each row
    rows: Observations  # in the order of the source
    converted: int  # times that were converted to UTC

    @classmethod
    def of(cls, rows: Rows, ingest: Ingest, names: Sequence[str]) -> "RowsBySeries":
        """Return the columns with these names, by series.

        Raises:
            DataError: a row has no series, or a time cannot be read.
            RequestError: the settings contradict each other.
        """
        numbers, ids = number_series(rows, ingest.series, ingest.target[0])
        times, converted = read_times(rows, ingest)
        if isinstance(times, pd.DatetimeIndex):
            times, more = to_utc(times, ingest.timezone, ingest.frequency, numbers, rows)
            converted += more
        columns = {name: rows.frame[name].to_numpy(np.float64) for name in names}
        observations = Observations(ids, numbers, times, columns, several=len(ids) > 1)
        return cls(replace(rows, frame=rows.frame[[]]), observations, converted)

    @cached_property
    def sizes(self) -> Integers:
        """Number of rows of each series, (series,)."""
        return np.bincount(self.rows.series, minlength=len(self.rows.ids))

    @cached_property
    def blocks(self) -> list[slice]:
        """Series of each block."""
        return split_by_size(self.sizes.tolist(), ROWS_PER_BLOCK)

    @cached_property
    def _order(self) -> Integers | None:
        """Positions of all rows, series by series; None if the source has them in this order."""
        series = self.rows.series
        return None if (series[1:] >= series[:-1]).all() else np.argsort(series, kind="stable")

    def ordered(self, block: slice, ingest: Ingest) -> tuple[Observations, dict[str, int]]:
        """Return the rows of some series in order, one for each time of a series, and counts of repairs."""
        begin, end = int(self.sizes[: block.start].sum()), int(self.sizes[: block.stop].sum())
        positions = np.arange(begin, end) if self._order is None else self._order[begin:end]
        rows = self.rows.at(positions)
        series = rows.series.astype(np.int64) - block.start
        rows, late = in_order(replace(rows, ids=rows.ids[block], series=series, positions=positions))
        single = without_duplicates(rows, ingest.duplicates, self.source)
        return single, {"duplicates": len(rows.times) - len(single.times), "out_of_order": late}

    def frequency(self, ingest: Ingest) -> str:
        """Return the frequency of the settings, or the one found in the block of the longest series.

        Raises:
            DataError: no regular frequency is found.
        """
        if ingest.frequency:
            return ingest.frequency
        longest = int(self.sizes.argmax())
        rows, _ = self.ordered(next(block for block in self.blocks if block.stop > longest), ingest)
        return infer_frequency(rows.times, self.source.name, rows.firsts)

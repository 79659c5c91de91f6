"""Rows of a source by series: a block of series at a time is ordered, so that sorting needs little memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.dedup_and_sort import (
    Columns,
    Integers,
    Observations,
    in_order,
    number_series,
    without_duplicates,
)
from gristmill.domains.timeseries.grid import infer_frequency
from gristmill.domains.timeseries.parse_times import read_times
from gristmill.domains.timeseries.settings import Ingest
from gristmill.domains.timeseries.timezones import to_utc
from gristmill.sources.rows import Rows
from gristmill.util.chunking import split_by_size

ROWS_PER_BLOCK = 1 << 20  # about as many, in whole series


@dataclass(frozen=True)
class RowsBySeries:
    """Rows in the order of the source, and the series of each."""

    source: Rows  # without columns; it knows the place of each row
    ids: pd.Index  # (series,) names, sorted
    series: npt.NDArray[np.int32]  # (rows,) number of each row's series
    times: pd.Index  # (rows,)
    columns: Columns  # (rows,) each
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
        return cls(replace(rows, frame=rows.frame[[]]), ids, numbers, times, columns, converted)

    @cached_property
    def sizes(self) -> Integers:
        """Number of rows of each series, (series,)."""
        return np.bincount(self.series, minlength=len(self.ids))

    @cached_property
    def blocks(self) -> list[slice]:
        """Series of each block."""
        return split_by_size(self.sizes.tolist(), ROWS_PER_BLOCK)

    @cached_property
    def _order(self) -> Integers | None:
        """Positions of all rows, series by series; None if the source has them in this order."""
        ascending = bool((self.series[1:] >= self.series[:-1]).all())
        return None if ascending else np.argsort(self.series, kind="stable")

    def ordered(self, block: slice, ingest: Ingest) -> tuple[Observations, dict[str, int]]:
        """Return the rows of some series in order, one for each time of a series, and counts of repairs."""
        begin, end = int(self.sizes[: block.start].sum()), int(self.sizes[: block.stop].sum())
        positions = np.arange(begin, end) if self._order is None else self._order[begin:end]
        columns = {name: values[positions] for name, values in self.columns.items()}
        series = self.series[positions].astype(np.int64) - block.start
        rows, late = in_order(self.times[positions], series, self.ids[block], columns)
        rows = replace(rows, positions=positions[rows.positions], several=len(self.ids) > 1)
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

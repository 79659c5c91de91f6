"""Quarantine of unusable rows: they are set aside and listed up to a limit, and are an error beyond it."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gristmill.errors import DataError
from gristmill.sources.rows import Rows, TableSource, UnusableRows, relative_names
from gristmill.sources.tables.table_files import TableFiles

QUARANTINE_FILE = "quarantine.csv"  # in the artifact of ingest
QUARANTINED = "quarantined"  # name of their count

_MIN_UNUSABLE_AT_END = 10  # a file that ends with this many consecutive unusable rows is refused

T = TypeVar("T")


class Quarantine:
    """A source without the rows that were set aside."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self._paths: list[Path] = []
        self._reasons: dict[Path, dict[int, str]] = {}
        self._last: dict[Path, int] = {}  # number of the last other row of each file that has any

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows that were set aside, if there are any."""
        count = sum(map(len, self._reasons.values()))
        return {QUARANTINED: count} if count else {}

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns of the other rows."""
        self._paths = [*paths]
        if isinstance(self._source, TableFiles):
            rows = self._source.read(paths, texts, numbers, self._reasons)
            ends = [*rows.starts[1:], len(rows.frame)] if rows.files else []
            spans = zip(rows.files, rows.starts, ends, strict=True)
            self._last = {file: int(rows.frame.index[end - 1]) for file, start, end in spans if end > start}
            return rows
        return self._source.read(paths, texts, numbers)

    def ingest(self, share: float, out: Path, ingest: Callable[["Quarantine"], T]) -> T:
        """Call `ingest` with this source until all rows that are left can be used; list the others in a file in `out`.

        Each call reads the source, and an error names all rows with one kind of fault, so that few calls are needed.

        Raises:
            DataError: more rows than `share` cannot be used, or the last ones, or the data is unusable as a whole.
        """
        while True:
            try:
                result = ingest(self)
            except UnusableRows as error:
                if not share or not error.reasons or not isinstance(self._source, TableFiles):
                    raise DataError(str(error)) from None
                # Set aside the rows that the error names, unless they are too many.
                total = error.total + self.counts.get(QUARANTINED, 0)
                for path, rows in error.reasons.items():
                    self._reasons.setdefault(path, {}).update(rows)
                count = self.counts[QUARANTINED]
                if count > share * total:
                    raise DataError(
                        f"{error} At least {count:,} of {total:,} rows cannot be used; ingest.quarantine = {share:g} "
                        f"allows {int(share * total):,}."
                    ) from None
            except DataError as error:
                raise DataError(f"{error}{self._earlier_rows()}") from None
            else:
                self._check_ends()
                self._write(out / QUARANTINE_FILE)
                return result

    def _check_ends(self) -> None:
        """Raise `DataError` if a file, or several files, end with unusable rows: new data may all be unusable."""
        count = 0
        for path in self._paths:
            reasons, last = self._reasons.get(path, {}), self._last.get(path, 0)
            count = sum(row > last for row in reasons) + (0 if last else count)
            if count >= _MIN_UNUSABLE_AT_END:
                row, before = max(reasons), "" if last or len(reasons) == count else " of it and the files before it"
                raise DataError(
                    f"{path}: the last {count:,} rows{before} cannot be used, such as row {row}: {reasons[row]}. "
                    f"ingest.quarantine sets aside fewer than {_MIN_UNUSABLE_AT_END} at the end. Fix or remove them."
                )

    def _earlier_rows(self) -> str:
        """Return a sentence about the rows that were set aside, which may be the cause of a later error."""
        if not self._reasons:
            return ""
        path, reasons = next(iter(self._reasons.items()))
        row, reason = next(iter(reasons.items()))
        return f" Unusable rows set aside before: {self.counts[QUARANTINED]:,}, the first: {path} row {row}, {reason}."

    def _write(self, file: Path) -> None:
        """List the rows that were set aside: file (if there are several), row, reason and content."""
        if not self._reasons or not isinstance(self._source, TableFiles):
            return
        names = relative_names(self._paths) if len(self._paths) > 1 else [""]
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["file", "row", "reason", "content"])
            for name, path in zip(names, self._paths, strict=True):
                reasons = self._reasons.get(path, {})
                contents = self._source.contents(path, reasons) if reasons else {}
                writer.writerows([name, row, reasons[row], contents[row][:1000]] for row in sorted(reasons))

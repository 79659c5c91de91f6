"""Log of a pipeline's answered predictions, and the truth that became known later.

    root/predictions/<pipeline>/<pid>~<host>.jsonl          batches of one process, one in each line
    root/predictions/<pipeline>/<month>~<digest>.parquet    large batches, and those of files of lines
    root/predictions/<pipeline>/truth/<time>.parquet        ids and their truth, one file for each call

A batch is written by one call and flushed to disk before it is answered. If it cannot be written, it is not answered. A
line that a kill has cut short was not answered, and is not read.

Files of lines that are many or large are rolled into Parquet files, and then deleted. Each batch has an id, and readers
take it once, so nothing is lost or doubled by a kill between these two steps. Appending to a file and rolling it both
need its lock, so nothing is appended to a file that is being deleted. A process id would not tell whether a file is in
use: containers that share a store do not see each other's processes.
"""

import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill import keys
from gristmill.errors import StoreError
from gristmill.monitoring.prediction_columns import ANSWERED, BATCH, ID, INPUTS, RUN, TRUTH, VERSION
from gristmill.store.store import Store
from gristmill.util.columns import with_columns
from gristmill.util.files import atomic_file, flush_to_disk, translate_disk_errors
from gristmill.util.table_io import read_table, write_table

logger = logging.getLogger(__name__)
_MAX_LINE_ROWS = 10_000  # larger batches are written as Parquet at once
_MAX_FILE_BYTES = 4 << 20  # if its own file is larger, a process rolls all files of lines
_MAX_FILES = 64  # the same if there are more files
_MONTH = timedelta(days=31)
_writing = threading.Lock()  # of this process: its threads share a file


class PredictionLog:
    """The log of one pipeline."""

    def __init__(self, store: Store, pipeline: str, keep: timedelta) -> None:
        self._store, self._pipeline, self._keep = store, pipeline, keep
        self._folder = store.root / "predictions" / pipeline
        self._truth_folder = self._folder / "truth"

    def add(self, rows: pd.DataFrame, run: str, version: int | None, inputs: str) -> None:
        """Log a batch of predicted rows.

        Args:
            rows: the prediction; column `ID` may hold the id of each row.
            run: the run that made the model.
            version: the model's version, None if it was not promoted.
            inputs: digest of what the model predicted from.

        Raises:
            StoreError: the batch cannot be written.
        """
        if rows.empty:
            return
        now = datetime.now(UTC)
        batch = {
            BATCH: f"{now:%Y%m%dT%H%M%S-%f}-{os.urandom(4).hex()}",
            ANSWERED: now.isoformat(),
            VERSION: version,
            RUN: run,
            INPUTS: inputs,
        }
        with _writing, translate_disk_errors(self._store.root):
            self._folder.mkdir(parents=True, exist_ok=True)
            # Roll the files of lines if they are many, large or too old, and delete what is too old.
            files, own = self._line_files(), _status(self._own_file)
            oldest = time.time() - self._keep.total_seconds()
            is_large = own is not None and own.st_size > _MAX_FILE_BYTES
            if len(files) > _MAX_FILES or is_large or any(_is_older(path, oldest) for path in files):
                self._roll(files)
            self._delete_expired()
            if len(rows) > _MAX_LINE_ROWS:
                self._write_parquet([batch_frame([batch], [len(rows)], rows.reset_index(drop=True))])
            else:
                self._append(as_line(batch, rows))

    def read(self) -> pd.DataFrame:
        """Return all logged rows that are not too old, in the order of their answers; without columns if none."""
        lines = [frame for path in self._line_files() for frame in read_lines(path)]  # before they are rolled
        frames = [*_read_tables(self._parquet_files()), *lines]
        if not frames:
            return pd.DataFrame()
        table = pd.concat(frames, ignore_index=True).astype({VERSION: "Int64"})  # Parquet returns numbers with NaN
        numbers = np.concatenate([frame.groupby(BATCH, sort=False).cumcount() for frame in frames])
        repeated = table[[BATCH]].assign(number=numbers).duplicated()  # of a file that was rolled meanwhile
        table = table[~repeated & (table[ANSWERED] >= pd.Timestamp.now(UTC) - self._keep)]
        return table.sort_values([ANSWERED, BATCH], kind="stable", ignore_index=True)

    def add_truth(self, truth: pd.DataFrame) -> None:
        """Add the truth of rows: columns `ID` and `TRUTH`."""
        with translate_disk_errors(self._store.root):
            self._truth_folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(self._truth_folder / f"{time.time_ns():020d}.parquet") as aside:
                write_table(aside, truth)

    def truth(self) -> pd.DataFrame:
        """Return the truth by id, columns `ID` and `TRUTH`; of several rows with an id the last one counts."""
        frames = _read_tables(sorted(self._truth_folder.glob("[0-9]*.parquet")))
        if not frames:
            return pd.DataFrame({ID: pd.Series(dtype="str"), TRUTH: pd.Series(dtype="object")})
        return pd.concat(frames, ignore_index=True).drop_duplicates(ID, keep="last", ignore_index=True)

    def roll(self) -> None:
        """Turn lines into Parquet files, and delete what is too old."""
        with translate_disk_errors(self._store.root):
            self._roll(self._line_files())
            self._delete_expired()

    @property
    def _own_file(self) -> Path:
        return self._folder / f"{os.getpid()}~{socket.gethostname()}.jsonl"

    def _line_files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*~*.jsonl"))

    def _parquet_files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*~*.parquet"))

    def _append(self, line: str) -> None:
        """Append a line to the file of this process; leave nothing of it if that fails."""
        descriptor, rest = _open_locked(self._own_file), line.encode()
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a process of the same id was killed
                rest = b"\n" + rest
            try:
                while rest:  # once, unless the disk is full
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
            if size == 0:
                flush_to_disk(self._folder)  # the name of the file
        finally:
            os.close(descriptor)

    def _roll(self, paths: list[Path]) -> None:
        """Write the batches of files of lines as Parquet, then delete these files; leave out files in use."""
        with _locked(paths) as free:
            self._write_parquet([frame for path in free for frame in read_lines(path)])
            for path in free:
                path.unlink(missing_ok=True)

    def _write_parquet(self, frames: list[pd.DataFrame]) -> None:
        """Write batches as one file for each month and set of columns."""
        alike = defaultdict(list)
        for frame in frames:
            columns = tuple((name, str(kind)) for name, kind in frame.dtypes.items())
            for month, rows in frame.groupby(frame[ANSWERED].dt.strftime("%Y-%m")):
                alike[month, columns].append(rows)
        for (month, _), group in alike.items():
            digest = keys.digest_of([batch for frame in group for batch in frame[BATCH].unique()])
            with atomic_file(self._folder / f"{month}~{digest[:16]}.parquet") as aside:
                write_table(aside, pd.concat(group, ignore_index=True))

    def _delete_expired(self) -> None:
        oldest = datetime.now(UTC) - self._keep
        for path in self._parquet_files():
            month = datetime.strptime(path.name.partition("~")[0], "%Y-%m").replace(tzinfo=UTC)
            if month + _MONTH < oldest:
                path.unlink(missing_ok=True)
        for path in self._truth_folder.glob("[0-9]*.parquet"):
            if _is_older(path, oldest.timestamp()):
                path.unlink(missing_ok=True)


def _open_locked(path: Path) -> int:
    """Open a file to append to it, and lock it; open a new one if it was rolled before it was locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        with suppress(OSError):  # on a file system without locks, nothing is rolled
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


@contextmanager
def _locked(paths: list[Path]) -> Iterator[list[Path]]:
    """Lock files; yield those of them that are not in use. The others are left alone, as are files without a lock."""
    with ExitStack() as opened:
        free = []
        for path in paths:
            with suppress(OSError):
                file = opened.enter_context(path.open("r+b"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(path, file.fileno()):
                    free.append(path)
        yield free


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has its path: another process may have deleted it."""
    status = _status(path)
    return status is not None and os.path.samestat(status, os.fstat(descriptor))


def _is_older(path: Path, moment: float) -> bool:
    """Return whether a file was last changed before a time; False if it was deleted meanwhile."""
    status = _status(path)
    return status is not None and status.st_mtime < moment


def _status(path: Path) -> os.stat_result | None:
    """Return size and times of a file; None if it was deleted meanwhile."""
    with suppress(FileNotFoundError):
        return path.stat()
    return None


def _read_tables(paths: list[Path]) -> list[pd.DataFrame]:
    """Return tables, without those that were deleted meanwhile.

    Raises:
        StoreError: one is damaged.
    """
    tables = []
    for path in paths:
        try:
            with suppress(FileNotFoundError):
                tables.append(read_table(path))
        except (OSError, ValueError) as damage:  # PyArrow's errors are values
            fault = f"{path}: logged predictions are damaged ({damage}). Restore or delete the file."
            raise StoreError(fault) from None
    return tables


def _times(rows: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold times."""
    return [str(name) for name, kind in rows.dtypes.items() if kind.kind == "M"]


def as_line(batch: dict[str, Any], rows: pd.DataFrame) -> str:
    """Return a batch as one line of JSON: the columns about it, the names of columns that hold times, and its rows."""
    columns = {}
    for name, column in rows.items():
        values = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f") if column.dtype.kind == "M" else column
        columns[str(name)] = values.astype(object).where(column.notna(), None).tolist()
    return json.dumps(batch | {"times": _times(rows), "rows": columns}, ensure_ascii=False) + "\n"


def batch_frame(batches: list[dict[str, Any]], sizes: list[int], rows: pd.DataFrame) -> pd.DataFrame:
    """Return batches of so many rows each as a frame: first the columns about them, then those of the rows."""
    about = pd.DataFrame(batches, columns=[BATCH, ANSWERED, VERSION, RUN, INPUTS]).astype({VERSION: "Int64"})
    about[ANSWERED] = pd.to_datetime(about[ANSWERED], format="ISO8601", utc=True).dt.as_unit("us")
    owners = np.repeat(np.arange(len(batches)), sizes)
    rows = with_columns(rows, {name: rows[name].dt.as_unit("us") for name in _times(rows)})
    return about.iloc[owners].reset_index(drop=True).join(rows)


def read_lines(path: Path) -> list[pd.DataFrame]:
    """Return the batches of a file, one frame for all with the same columns; nothing if it was rolled meanwhile.

    What follows the last line end was cut short.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    alike = defaultdict(list)
    for number, line in enumerate(lines, 1):
        try:
            batch = json.loads(line)
            columns = tuple(batch["rows"]), tuple(batch["times"])
        except (ValueError, KeyError, TypeError):
            logger.warning("%s line %d: not a batch of predictions; skipped", path, number)
            continue
        alike[columns].append(batch)
    frames = []
    for (names, times), batches in alike.items():
        values = {name: list(chain.from_iterable(batch["rows"][name] for batch in batches)) for name in names}
        rows = pd.DataFrame(values)
        rows = with_columns(rows, {name: pd.to_datetime(rows[name]) for name in times})
        frames.append(batch_frame(batches, [len(batch["rows"][names[0]]) for batch in batches], rows))
    return frames

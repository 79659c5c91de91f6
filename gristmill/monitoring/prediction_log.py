"""Log of a pipeline's answered predictions, and the truth that became known later.

    root/predictions/<pipeline>/<pid>~<process>~<host>.jsonl    batches of one process, one in each line
    root/predictions/<pipeline>/<month>~<digest>.parquet        large batches, and those of processes that ended
    root/predictions/<pipeline>/truth/<time>.parquet            ids and their truth, one file for each call

A batch is written by one call and flushed to disk before it is answered. If it cannot be written, it is not answered. A
line that a kill has cut short was not answered, and is not read.

Only its process writes to a file of lines. When it has ended, or the file is large, the batches are rolled into Parquet
files, and then the file is deleted. Each batch has an id, and readers take it once, so nothing is lost or doubled by a
kill between these two steps.
"""

import json
import logging
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill import keys
from gristmill.monitoring.prediction_columns import ANSWERED, BATCH, ID, INPUTS, RUN, TIME, TRUTH, VERSION
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import flush_to_disk, temporary_name
from gristmill.util.processes import is_running, process_identity
from gristmill.util.table_io import read_table, write_table

logger = logging.getLogger(__name__)

_MAX_LINE_ROWS = 10_000  # larger batches are written as Parquet at once
_MAX_FILE_BYTES = 4 << 20  # a larger file of lines is rolled
_MAX_FILES = 64  # if there are more files of lines, those of processes that ended are rolled
_MAX_IDLE = 24 * 3600  # seconds after which a file of another machine's process is rolled
_MONTH = timedelta(days=31)

_writing = threading.Lock()  # of this process: its threads share a file


class PredictionLog:
    """The log of one pipeline."""

    def __init__(self, store: Store, pipeline: str, keep: timedelta) -> None:
        self._store, self._pipeline, self._keep = store, pipeline, keep
        self._folder = store.root / "predictions" / pipeline

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
            self._tidy()
            if len(rows) > _MAX_LINE_ROWS:
                self._write_parquet([_as_frame(batch, rows.reset_index(drop=True))])
            else:
                self._append(json.dumps(batch | {"rows": _as_json(rows)}, ensure_ascii=False) + "\n")

    def read(self) -> pd.DataFrame:
        """Return all logged rows that are not too old, in the order of their answers; without columns if none."""
        lines = [frame for path in self._line_files() for frame in _read_lines(path)]
        files = [frame for path in self._parquet_files() if (frame := _read_if_present(path)) is not None]
        frames, known = [], set[str]()
        for frame in [*files, *lines]:  # a file of lines that was rolled meanwhile is among the Parquet files
            new = frame[~frame[BATCH].isin(known)] if known else frame
            known.update(frame[BATCH].unique())
            frames.append(new)
        if not frames:
            return pd.DataFrame()
        table = pd.concat(frames, ignore_index=True).astype({VERSION: "Int64"})  # Parquet returns numbers with NaN
        table = table[table[ANSWERED] >= pd.Timestamp.now(UTC) - self._keep]
        return table.sort_values([ANSWERED, BATCH], kind="stable", ignore_index=True)

    def add_truth(self, truth: pd.DataFrame) -> None:
        """Add the truth of rows: columns `ID` and `TRUTH`."""
        with translate_disk_errors(self._store.root):
            self._truth_folder.mkdir(parents=True, exist_ok=True)
            _write_atomically(self._truth_folder / f"{time.time_ns():020d}.parquet", truth)

    def truth(self) -> pd.DataFrame:
        """Return the truth by id, columns `ID` and `TRUTH`; of several rows with an id the last one counts."""
        frames = [read_table(path) for path in sorted(self._truth_folder.glob("[0-9]*.parquet"))]
        if not frames:
            return pd.DataFrame({ID: pd.Series(dtype="str"), TRUTH: pd.Series(dtype="object")})
        return pd.concat(frames, ignore_index=True).drop_duplicates(ID, keep="last", ignore_index=True)

    def roll(self) -> None:
        """Turn the lines of processes that ended into Parquet files, and delete what is too old."""
        with translate_disk_errors(self._store.root):
            self._delete_expired()
            self._roll([path for path in self._line_files() if _has_ended(path)])

    @property
    def _truth_folder(self) -> Path:
        return self._folder / "truth"

    def _line_files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*~*~*.jsonl"))

    def _parquet_files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*~*.parquet"))

    def _append(self, line: str) -> None:
        """Append a line to the file of this process; leave nothing of it if that fails."""
        path, rest = self._own_file(), line.encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            try:
                while rest:  # once, unless the disk is full
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if size == 0:
            flush_to_disk(self._folder)  # the name of the file

    def _own_file(self) -> Path:
        pid = os.getpid()
        return self._folder / f"{pid}~{process_identity(pid)}~{socket.gethostname()}.jsonl"

    def _tidy(self) -> None:
        """Roll files that are many or large, and delete those that are too old."""
        own = self._own_file()
        if own.exists() and own.stat().st_size > _MAX_FILE_BYTES:
            self._roll([own])
        if len(self._line_files()) > _MAX_FILES:
            self.roll()
        else:
            self._delete_expired()

    def _roll(self, paths: list[Path]) -> None:
        """Write the batches of files of lines, to which nobody writes any more, as Parquet; then delete these files."""
        with self._store.lock(f"predictions-{self._pipeline}", wait=False) as acquired:
            if not acquired:  # another process is rolling
                return
            self._write_parquet([frame for path in paths for frame in _read_lines(path)])
            for path in paths:
                path.unlink(missing_ok=True)

    def _write_parquet(self, frames: list[pd.DataFrame]) -> None:
        """Write batches as one file for each month and set of columns."""
        alike = defaultdict(list)
        for frame in frames:
            columns = tuple((name, str(kind)) for name, kind in frame.dtypes.items())
            alike[f"{frame[ANSWERED].iloc[0]:%Y-%m}", columns].append(frame)
        for (month, _), group in alike.items():
            digest = keys.digest_of([frame[BATCH].iloc[0] for frame in group])
            _write_atomically(self._folder / f"{month}~{digest[:16]}.parquet", pd.concat(group, ignore_index=True))

    def _delete_expired(self) -> None:
        """Delete files all of whose rows are too old."""
        oldest = datetime.now(UTC) - self._keep
        for path in self._parquet_files():
            month = datetime.strptime(path.name.partition("~")[0], "%Y-%m").replace(tzinfo=UTC)
            if month + _MONTH < oldest:
                path.unlink(missing_ok=True)
        for path in [*self._line_files(), *self._truth_folder.glob("[0-9]*.parquet")]:
            with suppress(FileNotFoundError):  # rolled meanwhile
                if path.stat().st_mtime < oldest.timestamp():
                    path.unlink()


def _has_ended(path: Path) -> bool:
    """Return whether the process that writes a file of lines has ended."""
    pid, process, host = path.stem.split("~", 2)
    if host == socket.gethostname():
        return not is_running(int(pid), process)
    return time.time() - path.stat().st_mtime > _MAX_IDLE


def _as_json(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a frame as JSON values: times as text, missing values as None."""
    columns = {}
    for name, column in rows.items():
        values = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f") if column.dtype.kind == "M" else column
        columns[str(name)] = values.astype(object).where(column.notna(), None).tolist()
    return columns


def _as_frame(batch: dict[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """Return a batch as a frame: first the columns that describe it, then those of its rows."""
    frame = rows
    if TIME in frame and frame[TIME].dtype.kind not in "iu":
        frame = frame.assign(**{TIME: pd.to_datetime(frame[TIME]).dt.as_unit("us")})
    about = batch | {
        ANSWERED: pd.Timestamp(batch[ANSWERED]).as_unit("us"),
        VERSION: pd.array([batch[VERSION]], dtype="Int64").repeat(len(frame)),
    }
    return pd.DataFrame(about, index=frame.index).join(frame)


def _read_lines(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the batches of a file; nothing if it was rolled meanwhile. What follows the last line end was cut short."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        try:
            batch = json.loads(line)
            rows = pd.DataFrame(batch.pop("rows"))
        except (ValueError, KeyError, TypeError):
            logger.warning("%s line %d: not a batch of predictions; skipped", path, number)
            continue
        yield _as_frame(batch, rows)


def _read_if_present(path: Path) -> pd.DataFrame | None:
    """Return a table; None if it was deleted meanwhile."""
    try:
        return read_table(path)
    except FileNotFoundError:
        return None


def _write_atomically(path: Path, frame: pd.DataFrame) -> None:
    """Write a table to a temporary name, flush it to disk and rename it."""
    aside = temporary_name(path)
    try:
        write_table(aside, frame)
        flush_to_disk(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)

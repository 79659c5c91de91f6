"""The log of answered predictions: whole batches or nothing, each of them once, whatever dies in between."""

import errno
import fcntl
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.errors import StoreError
from gristmill.maintenance import local
from gristmill.monitoring import prediction_log
from gristmill.monitoring.prediction_columns import ANSWERED, BATCH, ID, INPUTS, RUN, TRUTH, VERSION
from gristmill.monitoring.prediction_log import PredictionLog
from gristmill.store.store import Store
from helpers.support import heard, said

YEAR = timedelta(days=365)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def log(store: Store) -> PredictionLog:
    return PredictionLog(store, "small", YEAR)


def folder_of(store: Store) -> Path:
    return store.root / "predictions/small"


def rows(*values: float) -> pd.DataFrame:
    times = pd.date_range("2026-11-01", periods=len(values))
    return pd.DataFrame({"ds": times, "sales": np.array(values, np.float32)})


def add(log: PredictionLog, *values: float) -> None:
    log.add(rows(*values), "run", 3, "digest")


def end(store: Store, number: int = 0) -> Path:
    """Rename the file of this process to that of another one, and return it."""
    (path,) = folder_of(store).glob(f"{os.getpid()}~*.jsonl")
    return path.rename(path.with_name(f"{4194305 + number}~{path.stem.split('~')[1]}.jsonl"))


def test_what_is_logged_is_read_as_it_was_answered(log: PredictionLog) -> None:
    add(log, 0.1, np.nan)
    log.add(pd.DataFrame({"n": [7], ID: ["a"], "town": ["Köln"]}), "other", None, "more")

    table = log.read()

    assert table[RUN].tolist() == ["run", "run", "other"]
    assert table[VERSION].tolist() == [3, 3, pd.NA]
    assert table[INPUTS].tolist() == ["digest", "digest", "more"]
    assert table["sales"].iloc[0] == np.float32(0.1)
    assert table["sales"].isna().tolist() == [False, True, True]
    assert table["ds"].tolist() == [*rows(1, 2)["ds"], pd.NaT]
    assert table.loc[2, ["n", ID, "town"]].tolist() == [7, "a", "Köln"]
    assert table[BATCH].nunique() == 2
    assert abs(table[ANSWERED].iloc[0] - datetime.now(UTC)) < timedelta(minutes=5)


def test_without_a_prediction_it_is_empty(log: PredictionLog, store: Store) -> None:
    log.add(rows(), "run", 1, "digest")
    assert log.read().empty
    assert not store.root.exists()


def test_a_batch_is_one_line_of_one_file(log: PredictionLog, store: Store) -> None:
    add(log, 1, 2)
    add(log, 3)

    (path,) = folder_of(store).iterdir()
    first, second = path.read_text().splitlines()
    assert json.loads(first)["rows"]["sales"] == [1, 2]
    assert json.loads(second)["rows"] == {"ds": ["2026-11-01T00:00:00.000000"], "sales": [3]}


def test_a_line_that_was_cut_short_is_not_read(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    add(log, 2)
    (path,) = folder_of(store).iterdir()
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for length in (*range(0, len(whole), 9), first, first + 1, first + 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        found = log.read()
        assert found.get("sales", pd.Series()).tolist() == [1.0][: whole[:length].count(b"\n")]


def test_a_damaged_line_is_skipped_with_a_warning(
    log: PredictionLog, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    add(log, 1)
    (path,) = folder_of(store).iterdir()
    path.write_bytes(b"\0\0\0\n" + path.read_bytes())

    with heard(caplog):
        assert log.read()["sales"].tolist() == [1]
    assert said(caplog) == [f"{path} line 1: not a batch of predictions; skipped"]


def test_a_full_disk_is_an_error_and_leaves_nothing(
    log: PredictionLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, 1)
    write, calls = os.write, []

    def full(descriptor: int, content: bytes) -> int:
        calls.append(content)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content[:10])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match="the disk is full"):
            add(log, 2)
    add(log, 3)

    assert len(calls) == 2
    assert log.read()["sales"].tolist() == [1, 3]


def test_lines_become_parquet_and_nothing_else_changes(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    end(store)
    add(log, 2)
    log.add(pd.DataFrame({"ds": [5], "sales": [None]}), "run", None, "digest")  # other types: a file of its own
    before = log.read()

    log.roll()

    assert [path.suffix for path in folder_of(store).iterdir()] == [".parquet"] * 2
    pd.testing.assert_frame_equal(log.read().astype(object), before.astype(object))
    log.roll()
    assert len(log.read()) == 3


@pytest.mark.parametrize("killed", ["before it is renamed", "before the lines are deleted", "in mid-deletion"])
def test_killed_while_it_rolls_nothing_is_lost_or_doubled(
    killed: str, log: PredictionLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        add(log, number)
        end(store, number)
    unlinked: list[Path] = []

    def die(path: Path, *_: Any, **__: Any) -> None:
        if killed != "in mid-deletion" or unlinked:
            raise KeyboardInterrupt
        unlinked.append(path)
        os.remove(path)  # noqa: PTH107 - Path.unlink is patched

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace" if killed == "before it is renamed" else "unlink", die)
        if killed == "before it is renamed":
            patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            log.roll()

    assert log.read()["sales"].tolist() == [0, 1, 2]
    add(log, 3)
    end(store, 3)
    log.roll()
    assert log.read()["sales"].tolist() == [0, 1, 2, 3]
    assert not list(folder_of(store).glob("*.jsonl"))


def test_many_files_and_a_large_one_are_rolled_by_the_next_prediction(
    log: PredictionLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_MAX_FILES", 1)
    for number in range(2):
        add(log, number)
        end(store, number)
    add(log, 2)
    assert len(list(folder_of(store).glob("*.jsonl"))) == 1

    with monkeypatch.context() as patch:
        patch.setattr(prediction_log, "_MAX_FILE_BYTES", 10)
        add(log, 3)
    assert len(list(folder_of(store).glob("*.parquet"))) == 2
    monkeypatch.setattr(prediction_log, "_MAX_FILE_BYTES", 300)
    add(log, 4)
    add(log, 5)

    assert log.read()["sales"].tolist() == [0, 1, 2, 3, 4, 5]
    assert len(list(folder_of(store).glob("*.parquet"))) == 3


def test_a_large_batch_is_written_as_parquet_at_once(
    log: PredictionLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_MAX_LINE_ROWS", 2)
    add(log, 1, 2, 3)
    assert [path.suffix for path in folder_of(store).iterdir()] == [".parquet"]
    assert log.read()["sales"].tolist() == [1, 2, 3]


def test_a_file_in_use_is_not_rolled(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    with end(store).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        log.roll()
        assert [path.suffix for path in folder_of(store).iterdir()] == [".jsonl"]
    log.roll()
    assert [path.suffix for path in folder_of(store).iterdir()] == [".parquet"]


def test_a_file_that_is_rolled_before_it_is_locked_is_not_appended_to(
    log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers that share a store do not see each other's processes."""
    add(log, 1)
    lock, rolled = fcntl.flock, []

    def lock_late(descriptor: int, operation: int) -> None:
        if not rolled:
            rolled.append(True)
            log.roll()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    add(log, 2)

    assert rolled
    assert log.read()["sales"].tolist() == [1, 2]


def test_a_line_that_was_cut_short_does_not_damage_the_next_one(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    (path,) = folder_of(store).iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    add(log, 2)
    assert log.read()["sales"].tolist() == [2]


def test_text_and_numbers_in_a_column_ds_are_no_times(log: PredictionLog) -> None:
    for answer in ({"ds": ["a", "b"]}, {"ds": [0.5, None]}, {"ds": ["2026"]}):
        log.add(pd.DataFrame(answer), "run", 1, "digest")
    assert log.read()["ds"].astype(object).fillna("none").tolist() == ["a", "b", 0.5, "none", "2026"]


def test_thousands_of_batches_are_read_at_once(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    (path,) = folder_of(store).iterdir()
    line = json.loads(path.read_text())
    path.write_text("".join(json.dumps(line | {BATCH: f"{number:04}"}) + "\n" for number in range(5000)))
    began = time.process_time()
    assert log.read()[BATCH].tolist() == [f"{number:04}" for number in range(5000)]
    assert time.process_time() - began < 5


def test_a_damaged_parquet_file_is_an_error_of_the_store(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    log.roll()
    (path,) = folder_of(store).iterdir()
    path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="logged predictions are damaged"):
        log.read()


def test_what_is_older_than_keep_is_not_read_and_its_files_are_deleted(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    path = end(store)
    old = json.loads(path.read_text())
    old[ANSWERED] = (datetime.now(UTC) - YEAR - timedelta(days=1)).isoformat()
    path.write_text(json.dumps(old) + "\n")
    assert log.read().empty
    log.roll()
    assert log.read().empty
    assert len(list(folder_of(store).iterdir())) == 1  # the month is not over yet

    later = PredictionLog(store, "small", timedelta(days=300))
    add(later, 2)

    assert log.read()["sales"].tolist() == [2]
    assert [path.suffix for path in folder_of(store).iterdir()] == [".jsonl"]
    os.utime(end(store), (0, 0))
    add(later, 3)
    assert sorted(path.suffix for path in folder_of(store).iterdir()) == [".jsonl", ".parquet"]


def test_of_the_truth_of_an_id_the_last_row_counts(log: PredictionLog, store: Store) -> None:
    assert log.truth().empty
    log.add_truth(pd.DataFrame({ID: ["a", "b", "a"], TRUTH: [1.0, 2.0, 3.0]}))
    log.add_truth(pd.DataFrame({ID: ["b"], TRUTH: [4.0]}))
    assert log.truth().set_index(ID)[TRUTH].to_dict() == {"a": 3, "b": 4}
    os.utime(min((folder_of(store) / "truth").iterdir()), (0, 0))
    log.roll()
    assert log.truth()[ID].tolist() == ["b"]


def test_gc_and_verify_leave_the_log_alone(log: PredictionLog, store: Store) -> None:
    add(log, 1)
    end(store)
    log.roll()
    add(log, 2)
    log.add_truth(pd.DataFrame({ID: ["a"], TRUTH: [1.0]}))
    for path in folder_of(store).rglob("*"):
        os.utime(path, (0, 0))

    assert list(local.garbage(store, 3)) == []
    assert list(local.verify_store(store)) == []

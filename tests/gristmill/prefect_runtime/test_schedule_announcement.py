"""The file by which `gristmill updated` finds a `gristmill schedule`: who writes it, and when it no longer holds."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.prefect_runtime.schedule_announcement import (
    FILE,
    ScheduleAnnouncement,
    announce_schedule,
    find_running_schedule,
)
from gristmill.store.store import Store

ROOT = Path(__file__).parents[3]

API = "http://127.0.0.1:4321/api"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_schedule_is_found_while_it_runs(store: Store) -> None:
    assert find_running_schedule(store) is None
    with announce_schedule(store, API, ["one", "two"]):
        assert find_running_schedule(store) == ScheduleAnnouncement(
            API, ["one", "two"], socket.gethostname(), os.getpid()
        )
    assert find_running_schedule(store) is None
    assert not (store.root / FILE).exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from gristmill.prefect_runtime.schedule_announcement import announce_schedule
from gristmill.store.store import Store
with announce_schedule(Store(Path(sys.argv[1])), "http://127.0.0.1:4321/api", ["one"]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_schedule_that_was_killed_does_not_hold_and_the_next_one_replaces_it(store: Store) -> None:
    subprocess.run(
        [sys.executable, "-c", KILLED, str(store.root)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert (store.root / FILE).exists()
    assert find_running_schedule(store) is None
    with announce_schedule(store, API, ["two"]):
        assert find_running_schedule(store) == ScheduleAnnouncement(API, ["two"], socket.gethostname(), os.getpid())


def test_a_second_schedule_says_that_another_is_found(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with (
        announce_schedule(store, API, ["one"]),
        caplog.at_level(logging.WARNING),
        announce_schedule(store, "http://127.0.0.1:5/api", []),
    ):
        found = find_running_schedule(store)
    assert found is not None
    assert found.api == API
    assert [record.getMessage() for record in caplog.records] == [
        f"another gristmill schedule is already running on the store {store.root}, and gristmill updated uses it; "
        "to reach this schedule, set PREFECT_API_URL=http://127.0.0.1:5/api"
    ]


def test_a_schedule_of_another_machine_is_not_found(store: Store) -> None:
    with announce_schedule(store, API, ["one"]):
        file = store.root / FILE
        file.write_text(json.dumps(json.loads(file.read_text()) | {"host": "elsewhere"}))
        assert find_running_schedule(store) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"api": "x"}'])
def test_a_file_that_was_cut_off_is_none(store: Store, content: str) -> None:
    with announce_schedule(store, API, ["one"]):
        (store.root / FILE).write_text(content)
        assert find_running_schedule(store) is None

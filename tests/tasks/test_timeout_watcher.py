"""The process that ends a retraining after its timeout."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill.config.catalogue import load
from gristmill.runs.records import Record, Runs
from gristmill.tasks import timeout_watcher
from gristmill.util.processes import process_identity
from helpers.support import write_project

DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def start_record(project: Path) -> Record:
    catalogue = load(project)
    return Runs(catalogue.store).start(catalogue.pipeline("small"), [], {})


def test_a_block_that_ends_in_time_ends_its_watcher() -> None:
    with timeout_watcher.ended_after(600, "timed out", Path(), "small", "run", "flow run"):
        pass


def test_a_process_that_ignores_sigterm_is_killed_and_its_record_says_why(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client

    write_project(project, SMALL)
    monkeypatch.setattr(timeout_watcher, "_SECONDS_TO_END", 0.1)
    reading, _writing = map(os.fdopen, os.pipe(), "rw")  # the pipe stays open, as the block goes on
    monkeypatch.setattr(sys, "stdin", reading)
    record = start_record(project)
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow(lambda: None, name="deaf"))
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout
        deaf.stdout.readline()
        reason = "WorkError: timed out after 1 second"
        run = (reason, str(project), "small", record.id, str(flow_run.id))
        timeout_watcher.main(deaf.pid, process_identity(deaf.pid), 0, *run)
        assert deaf.wait() == -signal.SIGKILL

    ended = Runs(load(project).store).read("small", record.id)
    assert (ended.outcome, ended.error) == ("failed", reason)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run.id).state
    assert state is not None
    assert (state.name, state.message) == ("Failed", reason)

"""Watcher process that enforces the timeout of a retraining."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill.config.catalogue import load
from gristmill.errors import RequestError
from gristmill.prefect_runtime import timeout_watcher
from gristmill.runs.records import Record, Runs
from gristmill.util.processes import process_identity
from helpers.support import write_project

IGNORES_SIGTERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def start_record(project: Path) -> Record:
    catalogue = load(project)
    return Runs(catalogue.store).start(catalogue.pipeline("small"), [], {})


def test_a_block_that_ends_in_time_ends_its_watcher() -> None:
    with timeout_watcher.enforce_timeout(600, "timed out", Path(), "small", "run", "flow run"):
        pass


def test_a_process_that_ignores_sigterm_is_killed_and_its_record_says_why(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client

    write_project(project, SMALL)
    monkeypatch.setattr(timeout_watcher, "_SECONDS_BEFORE_SIGKILL", 0.1)
    reading, _writing = map(os.fdopen, os.pipe(), "rw")  # the pipe stays open, as the block goes on
    monkeypatch.setattr(sys, "stdin", reading)
    record = start_record(project)
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(flow(lambda: None, name="retrain"))
    with subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        reason = "WorkError: timed out after 1 second"
        run = (reason, str(project), "small", record.id, str(flow_run.id))
        timeout_watcher.main(process.pid, process_identity(process.pid), 0, *run)
        assert process.wait() == -signal.SIGKILL

    ended = Runs(load(project).store).read("small", record.id)
    assert (ended.outcome, ended.error) == ("failed", reason)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run.id).state
    assert state is not None
    assert (state.name, state.message) == ("Failed", reason)


def test_a_process_is_killed_even_if_the_reason_cannot_be_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipelines.toml").write_text("being edited")
    monkeypatch.setattr(timeout_watcher, "_SECONDS_BEFORE_SIGKILL", 0.1)
    reading, _writing = map(os.fdopen, os.pipe(), "rw")
    monkeypatch.setattr(sys, "stdin", reading)
    with subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        run = ("timed out", str(project), "small", "run", "00000000-0000-0000-0000-000000000000")
        with pytest.raises(RequestError, match=r"pipelines\.toml"):
            timeout_watcher.main(process.pid, process_identity(process.pid), 0, *run)
        assert process.wait() == -signal.SIGKILL

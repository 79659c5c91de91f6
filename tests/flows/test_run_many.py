"""The flow that runs several pipelines, with a real worker process."""

import os
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill.errors import WorkError
from gristmill.project.project import Project
from gristmill.project.result import Result
from helpers.support import made, records

pytest_plugins = ["helpers.end_to_end"]

BROKEN = SMALL.replace("pipelines.small", "pipelines.broken").replace('time = "month"', 'time = "day"')


@pytest.mark.slow
def test_pipelines_run_in_a_worker_and_one_that_fails_does_not_stop_the_other(finished: Path) -> None:
    (finished / "pipelines.toml").write_text(BROKEN + SMALL)

    ended = Project.open(finished).run_all(["broken", "small"], refresh="ingest", jobs=1, budget=3600)

    failed, run = ended["broken"], ended["small"]
    assert isinstance(failed, WorkError)
    assert str(failed).startswith("broken: DataError: ")
    assert isinstance(run, Result)
    assert made(run.record) == {"ingest"}
    assert run.record.budget == 3600
    assert run.record == records(finished)[-1]
    (tried,) = records(finished, "broken")
    assert (tried.outcome, tried.error) == ("failed", str(failed).removeprefix("broken: "))
    assert run.record.pid == tried.pid != os.getpid()

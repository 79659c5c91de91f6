"""Pipelines and trials of one call; the worker is this process."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

import pytest

from conftest import ONE_BASELINE
from gristmill.flows.run_many import run_many
from gristmill.project.project import Project
from gristmill.workers import pool, worker_main
from gristmill.workers.process import Unit, WorkResult
from helpers.support import made, published, records

pytest_plugins = ["helpers.end_to_end"]


class ThisProcess:
    """Workers that run units in this process, and exchange JSON with it like a worker process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, unit: Unit) -> WorkResult:
        requested = json.loads(json.dumps(asdict(unit)))
        result = worker_main._run_flow(**requested, api="")
        return WorkResult(**json.loads(json.dumps(asdict(result))))

    def close(self) -> None:
        """End nothing, because nothing was started."""


@pytest.fixture(autouse=True)
def _without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "Processes", ThisProcess)


@pytest.mark.slow
def test_a_sweep_reuses_the_data_and_tries_no_point_twice(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    (finished / "pipelines.toml").write_text(f"{ONE_BASELINE}\n[pipelines.small.sweep]\nmodel.l2 = [0.1, 10.0]\n")
    before = records(finished)

    with caplog.at_level(logging.INFO, "gristmill.flows.run_many"):
        swept = Project.open(finished).sweep("small", jobs=1)

    trials = records(finished)[len(before) :]
    assert [trial.overrides for trial in trials] == [[f"model.l2={l2}", "train.seed=42"] for l2 in (0.1, 10.0)]
    assert [(trial.trial, trial.outcome) for trial in trials] == [(True, "succeeded")] * 2
    assert [made(trial) for trial in trials] == [{"train", "evaluate"}] * 2
    assert len(published(finished / "data/store", "export")) == 1  # of the finished run: a trial exports nothing
    by_point = {entry.point.assignments[0]: entry.mean("validation") for entry in swept.entries}
    assert list(by_point.values()) == sorted(set(by_point.values()))
    assert [record.message for record in caplog.records if record.name == "gristmill.flows.run_many"] == [
        f"trial      {number} of 2: model.l2={l2}, train.seed=42: mae {by_point[f'model.l2={l2}']:.2f} on validation"
        for number, l2 in ((1, 0.1), (2, 10.0))
    ]

    assert Project.open(finished).sweep("small").entries == swept.entries
    assert len(records(finished)) == len(before) + 2


@pytest.mark.slow
def test_a_trial_that_fails_does_not_stop_the_others(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    (finished / "mine.py").write_text("def build(shape):\n    raise ValueError('no such network')\n")
    models = '{ kind = "mine.py:build" }, { kind = "linear", l2 = 0.1 }'
    (finished / "pipelines.toml").write_text(f"{ONE_BASELINE}\n[pipelines.small.sweep]\nmodel = [{models}]\n")

    with caplog.at_level(logging.WARNING, "gristmill.flows.run_many"):
        swept = Project.open(finished).sweep("small", jobs=1)

    assert [record.message for record in caplog.records if record.name == "gristmill.flows.run_many"] == [
        'trial model={ kind = "mine.py:build" }, train.seed=42 failed, 1 of 2: '
        "RequestError: build raised ValueError: no such network (mine.py, line 2). Fix it."
    ]
    assert [(entry.point.assignments, entry.is_complete) for entry in swept.entries] == [
        (('model={ kind = "linear", l2 = 0.1 }',), True),
        (('model={ kind = "mine.py:build" }',), False),
    ]


def test_a_run_whose_record_is_in_another_store_counts_as_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = WorkResult({"pipeline": "small", "id": "20200101T000000-000000-00"})
    monkeypatch.setattr(ThisProcess, "run", lambda *_: elsewhere)

    ended = run_many.fn("pipeline", [asdict(Unit("timeseries", {"pipeline": "small"}))], 1, str(project))

    store = project / "data/store"
    problem = f"finished, but its record is not in the store {store}. Let all workers use one store."
    assert ended == [problem]

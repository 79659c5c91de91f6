"""Run records: written as a run goes, read newest first, one that is damaged passed over."""

import errno
import logging
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from gristmill.config import catalogue
from gristmill.config.catalogue import Pipeline
from gristmill.domains.timeseries.settings import Train
from gristmill.errors import RequestError, StoreError, WorkError
from gristmill.runs.records import Record, Runs, StageRecord
from gristmill.runs.retraining_record import DataChanges, Drift, Judgement, MeanDrift, Retraining
from gristmill.store.artifact import Reference
from gristmill.store.store import Store

INGEST = StageRecord(reference=Reference(stage="ingest", key="aa", digest="11"), cached=True, seconds=0.25)
TRAIN = StageRecord(reference=Reference(stage="train", key="bb", digest="22"), cached=False, seconds=3.5)
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def pipeline(project: Path) -> Pipeline:
    return catalogue.load(project).pipeline("small")


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(Store(tmp_path / "store"))


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What gristmill warns of, also where a command has taken its log over."""
    logging.getLogger("gristmill").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("gristmill").removeHandler(caplog.handler)


def file_of(folder: Path, day: int, **changed: Any) -> Record:
    """Write the record of a run of an earlier day and return it."""
    began = BEGAN + timedelta(days=day)
    values: dict[str, Any] = {
        "id": f"{began:%Y%m%dT%H%M%S}-0000",
        "pipeline": "small",
        "domain": "timeseries",
        "settings": {},
        "overrides": [],
        "started": began,
        "finished": began + timedelta(seconds=90),
        "outcome": "succeeded",
        "versions": {},
        "host": socket.gethostname(),
        "pid": 1,
    }
    record = Record(**values | changed)
    path = folder / "store/runs" / record.pipeline / f"{record.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json())
    return record


def test_a_record_tells_of_a_run_as_it_goes(pipeline: Pipeline, runs: Runs) -> None:
    begun = runs.start(pipeline, ["train.epochs=5"], {"numpy": "2.1.0"})
    assert (begun.outcome, begun.finished, begun.stages) == ("running", None, {})
    assert begun.settings == pipeline.values()
    assert runs.read("small", begun.id) == begun

    runs.note("small", begun.id, "ingest", INGEST)
    runs.note("small", begun.id, "train", TRAIN)
    assert runs.read("small", begun.id) == begun.model_copy(update={"stages": {"ingest": INGEST, "train": TRAIN}})

    ended = runs.finish("small", begun.id, "failed", error="DataError: the file is empty")
    assert runs.read("small", begun.id) == ended
    assert (ended.outcome, ended.error) == ("failed", "DataError: the file is empty")
    assert ended.references == {"ingest": INGEST.reference, "train": TRAIN.reference}
    assert (ended.overrides, ended.versions) == (["train.epochs=5"], {"numpy": "2.1.0"})
    assert ended.finished is not None
    assert ended.seconds == (ended.finished - ended.started).total_seconds()


@pytest.mark.fault(34)
def test_a_record_keeps_scores_that_are_not_finite(runs: Runs, pipeline: Pipeline) -> None:
    made = runs.start(pipeline, [], {})
    judged = Judgement(
        metric="mae",
        scores={"challenger": 1.0, "champion": math.nan, "naive": math.inf},
        items=3,
        difference=None,
        interval=None,
        best_baseline=None,
        promoted=True,
        why="",
    )
    errors = MeanDrift(count=3, mean=math.inf, mean_before=1.0, probability=0.0)
    found = Retraining(
        champion=1, news=DataChanges(later=3), unjudged=3, drift=Drift(errors=errors, inputs=[]), judgement=judged
    )

    runs.update("small", made.id, retraining=found)

    assert str(runs.read("small", made.id).retraining) == str(found)


def test_records_come_newest_first(tmp_path: Path, runs: Runs) -> None:
    days = [file_of(tmp_path, day).id for day in (2, 1, 4, 3)]
    assert [record.id for record in runs.newest_first("small")] == sorted(days, reverse=True)


def test_runs_of_one_second_come_newest_first_too(pipeline: Pipeline, runs: Runs) -> None:
    ids = [runs.start(pipeline, [], {}).id for _ in range(12)]
    assert [record.id for record in runs.newest_first("small")] == ids[::-1]


def test_a_run_of_today_is_newer_than_one_of_before(tmp_path: Path, pipeline: Pipeline, runs: Runs) -> None:
    file_of(tmp_path, 1)
    begun = runs.start(pipeline, [], {})
    assert runs.latest("small") == begun


def test_the_latest_of_an_outcome_is_found(tmp_path: Path, runs: Runs) -> None:
    outcomes = ["succeeded", "failed", "succeeded", "interrupted"]
    records = [file_of(tmp_path, day, outcome=outcome) for day, outcome in enumerate(outcomes)]
    assert runs.latest("small") == records[3]
    assert runs.latest("small", "succeeded") == records[2]
    assert runs.latest("small", "failed") == records[1]
    assert runs.latest("small", "running") is None


def seeded(seed: int) -> Pipeline:
    """A pipeline whose seed alone matters."""
    return Pipeline("small", "timeseries", "", {"train": Train(seed=seed)})


def test_the_trials_of_a_sweep_are_no_runs_of_the_pipeline_but_found_by_their_settings(
    tmp_path: Path, runs: Runs
) -> None:
    run = file_of(tmp_path, 1)
    first, second, again = (
        file_of(tmp_path, day, trial=True, settings=seeded(seed).values()) for day, seed in enumerate([42, 43, 42], 2)
    )
    assert runs.latest("small") == runs.latest("small", "succeeded") == run
    assert runs.latest_trial(seeded(42)) == again
    assert runs.latest_trial(seeded(43)) == second
    assert runs.latest_trial(seeded(44)) is None
    assert (run.made_model, first.made_model) == (True, False)


def asked(*assignments: str) -> Retraining:
    """A retraining that made assignments itself."""
    return Retraining(champion=None, news=DataChanges(later=1), unjudged=1, asked=list(assignments))


SCORED = {"export": TRAIN}  # a retraining that exported made a model


@pytest.mark.parametrize(
    ("changed", "own"),
    [
        ({"settings": seeded(1).values()}, True),  # the file has changed since
        ({"overrides": ["train.seed=1"], "settings": seeded(1).values()}, False),
        ({"overrides": ["train.seed=42"], "settings": seeded(42).values()}, True),  # as the file has it
        ({"overrides": ["train.seed=1"], "retraining": asked("train.seed=1"), "stages": SCORED}, True),
        ({"overrides": ["train.epochs=1", "gate=1"], "retraining": asked("gate=1"), "stages": SCORED}, False),
        ({"trial": True}, False),
        ({"outcome": "failed"}, False),
        ({"retraining": asked()}, False),  # it exported nothing
    ],
)
def test_the_latest_run_of_the_own_settings_is_none_that_tried_others(
    tmp_path: Path, runs: Runs, changed: dict[str, Any], own: bool
) -> None:
    first = file_of(tmp_path, 1)
    later = file_of(tmp_path, 2, **changed)
    assert runs.latest_own(seeded(42)) == (later if own else first)


def test_of_a_pipeline_with_assignments_the_runs_that_had_them_are_its_own(tmp_path: Path, runs: Runs) -> None:
    pipeline = replace(seeded(1), overrides=("train.seed=1",))
    file_of(tmp_path, 1)
    assert runs.latest_own(pipeline) is None
    tried = file_of(tmp_path, 2, overrides=["train.seed=1"], settings=seeded(1).values())
    file_of(tmp_path, 3)
    assert runs.latest_own(pipeline) == tried


def test_pipelines_keep_apart(tmp_path: Path, runs: Runs) -> None:
    file_of(tmp_path, 1, pipeline="b")
    file_of(tmp_path, 2, pipeline="a")
    assert runs.pipelines() == ["a", "b"]
    assert [record.pipeline for record in runs.newest_first("b")] == ["b"]


def test_without_a_store_there_are_no_runs(runs: Runs) -> None:
    assert runs.pipelines() == []
    assert runs.latest("small") is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"\xff\xfe", b'{"id": 3}'])
def test_a_damaged_record_is_passed_over_with_a_warning(
    tmp_path: Path, runs: Runs, content: bytes, warned: pytest.LogCaptureFixture
) -> None:
    older, newer = file_of(tmp_path, 1), file_of(tmp_path, 3)
    damaged = tmp_path / "store/runs/small/20200103T000000-0000.json"
    damaged.write_bytes(content)
    assert list(runs.newest_first("small")) == [newer, older]
    assert f"{damaged}: not a run record" in warned.text


def test_a_damaged_record_that_is_asked_for_is_said(tmp_path: Path, runs: Runs) -> None:
    record = file_of(tmp_path, 1)
    damaged = tmp_path / f"store/runs/small/{record.id}.json"
    damaged.write_text("{")
    with pytest.raises(WorkError, match=f"^{re.escape(str(damaged))}: not a run record. Remove it"):
        runs.read("small", record.id)


def test_a_record_that_cannot_be_written_is_said(
    tmp_path: Path, pipeline: Pipeline, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=re.escape(f"{tmp_path / 'store'}: the disk is full")):
        runs.start(pipeline, [], {})


def test_running_by_a_process_that_is_gone_is_interrupted(tmp_path: Path, runs: Runs) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    began = datetime.now(UTC) - timedelta(hours=1)
    record = file_of(tmp_path, 1, started=began, outcome="running", finished=None, pid=process.pid)
    assert runs.read("small", record.id).outcome == "interrupted"
    assert [shown.outcome for shown in runs.newest_first("small")] == ["interrupted"]


def test_running_by_a_living_process_is_running(pipeline: Pipeline, runs: Runs) -> None:
    assert runs.read("small", runs.start(pipeline, [], {}).id).outcome == "running"


@pytest.mark.fault(32)
def test_running_by_a_process_whose_pid_another_one_has_now_is_interrupted(
    tmp_path: Path, pipeline: Pipeline, runs: Runs
) -> None:
    """As in a container that is started again, where each run is process 1."""
    begun = runs.start(pipeline, [], {})
    earlier = {"outcome": "running", "finished": None, "pid": os.getpid()}
    record = file_of(tmp_path, 1, process=f"{begun.process}0", **earlier)
    unknown = file_of(tmp_path, 2, **earlier)  # of a system that says of a process no more than its pid
    found = {each.id: each.outcome for each in runs.newest_first("small")}
    assert found == {begun.id: "running", unknown.id: "running", record.id: "interrupted"}


@pytest.mark.fault(32)
def test_a_run_that_was_process_1_of_a_container_is_interrupted_in_the_next_one(project: Path) -> None:
    container = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*container, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare, and leave to have processes counted from 1 on again")

    def told(code: str) -> str:
        code = f"import os; from gristmill.project.project import Project; project = Project.open(); {code}"
        line, environment = [*container, sys.executable, "-c", code], os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout

    started = "project.runs.start(project.catalogue.pipeline('small'), [], {})"
    assert told(f"print({started}.pid, flush=True); os._exit(0)") == "1\n"  # as a kill ends it: nothing is closed

    assert told("print(os.getpid(), project.runs.latest('small').outcome)") == "1 interrupted\n"


@pytest.mark.parametrize(("days", "outcome"), [(0, "running"), (6, "running"), (8, "interrupted")])
def test_running_on_another_host_cannot_be_told_and_is_believed_for_a_week(
    tmp_path: Path, runs: Runs, days: int, outcome: str
) -> None:
    began = datetime.now(UTC) - timedelta(days=days)
    elsewhere = {"started": began, "host": "elsewhere.example.org", "pid": 2**22 + 1}
    record = file_of(tmp_path, 1, outcome="running", finished=None, **elsewhere)
    assert runs.read("small", record.id).outcome == outcome


def test_an_interrupted_run_took_what_its_stages_took(tmp_path: Path, runs: Runs) -> None:
    """When it ended is not known."""
    stages = {"ingest": INGEST, "train": TRAIN}
    record = file_of(tmp_path, 1, outcome="running", finished=None, stages=stages, host="elsewhere")
    shown = runs.read("small", record.id)
    assert (shown.outcome, shown.seconds) == ("interrupted", 3.75)


def test_a_run_that_is_not_there_is_said_with_those_that_are(tmp_path: Path, runs: Runs) -> None:
    ids = [file_of(tmp_path, day).id for day in (1, 2)]
    with pytest.raises(RequestError) as raised:
        runs.read("small", "20250101")
    assert str(raised.value) == f"no run '20250101' of pipeline 'small'. Known: {ids[1]}, {ids[0]}."
    ids += [file_of(tmp_path, day).id for day in range(3, 9)]
    with pytest.raises(
        RequestError, match=rf"Known: {ids[7]}, {ids[6]}, .*, {ids[3]}\. All 8: gristmill history small\.$"
    ):
        runs.read("small", "20250101")
    with pytest.raises(RequestError, match=r"no run 'x' of pipeline 'other'\. Known: none\."):
        runs.read("other", "x")


def test_what_is_asked_for_cannot_lead_out_of_the_pipelines_folder(tmp_path: Path, runs: Runs) -> None:
    record = file_of(tmp_path, 1, pipeline="other")
    file_of(tmp_path, 2)
    with pytest.raises(RequestError, match=r"^no run '\.\./other/"):
        runs.read("small", f"../other/{record.id}")

"""Sweeps with the real command: what is shared is made once, what was tried is never tried again, come what may."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from conftest import ONE_BASELINE, ROOT
from gristmill.project.project import Project
from gristmill.runs.records import Record
from gristmill.util.processes import is_running
from gristmill.workers import pool
from gristmill.workers.worker_main import _run_flow
from helpers.support import Command, assert_all_whole, made, newest_epoch, published, records, wait_until, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

SWEPT = f"{ONE_BASELINE}\n[pipelines.small.sweep]\nmodel.l2 = [0.1, 1.0, 10.0]\n"
LONG = '{ kind = "dense", units = [4] }'
CUT = f"""{ONE_BASELINE}
[pipelines.small.train]
epochs = 60
batch_size = 4

[pipelines.small.sweep]
model = [{{ kind = "linear" }}, {LONG}, {{ kind = "linear", l2 = 10.0 }}]
"""
"""A point that ends at once, one whose epochs take some hundredths of a second, and one more that ends at once."""

LIGHT = """
import atexit, sys
heavy = ("prefect", "tensorflow", "keras")
atexit.register(lambda: sys.stderr.write(",".join(name for name in heavy if name in sys.modules)))
from gristmill.cli.app import main
main()
"""
"""The command, which says at its end what it has loaded of the libraries that take long."""


@pytest.fixture(scope="module")
def swept_store(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """The store of a finished sweep over three points, and nothing else. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("swept")
    write_project(folder, SWEPT)
    swept = Project.open(folder).sweep("small", jobs=1)
    assert [entry.is_complete for entry in swept.entries] == [True] * 3
    return folder / "data/store"


@pytest.fixture
def swept(project: Path, swept_store: Path) -> Path:
    """The small project with a finished sweep in its store; the current folder of the test."""
    (project / "pipelines.toml").write_text(SWEPT)
    shutil.copytree(swept_store, project / "data/store")
    return project


def start(project: Path, *words: str, api: str) -> "subprocess.Popen[bytes]":
    """Start the command in a project; what it prints goes to the files `out` and `err` there."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": api}
    line = [sys.executable, "-c", "from gristmill.cli.app import main; main()", *words]
    with (project / "out").open("wb") as out, (project / "err").open("wb") as err:
        return subprocess.Popen(line, cwd=project, env=environment, stdout=out, stderr=err)


def in_training(project: Path, sweep: "subprocess.Popen[bytes]") -> Record:
    """Wait until a training has left a checkpoint, and return the record of its trial."""
    wait_until(lambda: newest_epoch(project) > 0 or sweep.poll() is not None, "a checkpoint", 300)
    assert sweep.poll() is None, (project / "err").read_text()
    return records(project)[-1]


def this_process(workers: int) -> Any:
    """Stand in for the processes of workers."""
    return SimpleNamespace(workers=workers, run=lambda unit: _run_flow(**asdict(unit), api=""), close=lambda: None)


def tried(project: Path, model: str) -> list[Record]:
    """Return the records of a point's trials, oldest first."""
    return [record for record in records(project) if f"model={model}" in record.overrides]


def test_what_points_share_is_made_once_and_nothing_is_exported(swept: Path) -> None:
    store = swept / "data/store"
    counts = {name: len(published(store, name)) for name in ("ingest", "preprocess", "train", "evaluate", "export")}
    assert counts == {"ingest": 1, "preprocess": 1, "train": 3, "evaluate": 3, "export": 0}
    tried = [record.overrides for record in records(swept)]
    assert tried == [[f"model.l2={strength}", "train.seed=42"] for strength in (0.1, 1.0, 10.0)]
    assert {(record.trial, record.outcome) for record in records(swept)} == {(True, "succeeded")}
    (worker,) = {record.pid for record in records(swept)}  # which tried one after the other
    assert worker != os.getpid()
    assert_all_whole(store)


def test_what_was_tried_is_answered_without_loading_what_takes_long(swept: Path) -> None:
    before = records(swept)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": "http://127.0.0.1:9/api"}  # nobody there
    line = [sys.executable, "-c", LIGHT, "sweep", "small"]

    said = subprocess.run(line, cwd=swept, env=environment, capture_output=True, text=True, timeout=300, check=False)

    assert (said.returncode, said.stderr) == (0, "")
    heading, *rows, verdict, report = said.stdout.splitlines()
    assert heading.split("  ")[0] == "point"
    assert {row.split("  ")[0] for row in rows} == {"model.l2=0.1", "model.l2=1.0", "model.l2=10.0"}
    assert verdict.startswith(f"Best on validation: {rows[0].split('  ')[0]}. Its mae on the test set is ")
    assert report == f"report  {swept / 'data/store/reports/small.sweep.html'}"
    assert records(swept) == before


def test_a_project_elsewhere_with_the_same_store_tries_nothing_again(
    swept: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    here, before = command("sweep", "small", "--json"), records(swept)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_project(elsewhere, SWEPT.replace("[0.1, 1.0, 10.0]", "[10.0, 0.1, 1.0]"))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("GRISTMILL_STORE", str(swept / "data/store"))

    there = command("sweep", "small", "--json")

    assert (there.status, there.err, there.json) == (0, "", here.json)
    assert records(swept) == before
    assert not (elsewhere / "data").exists()


def test_as_json_the_best_point_comes_first(swept: Path, command: Command) -> None:
    found = command("sweep", "small", "--json").json
    scores = [place["mean"]["validation"] for place in found]
    assert scores == sorted(scores)
    assert [place["scores"]["validation"] for place in found] == [[score] for score in scores]
    assert ["test" in place["mean"] for place in found] == [place["chosen"] for place in found] == [True, False, False]
    assert all(place["point"][0].startswith("model.l2=") for place in found)
    assert [(place["seeds"], len(place["seconds"])) for place in found] == [(1, 1)] * 3


def test_a_trial_is_never_taken_for_a_run_of_the_pipeline(swept: Path, command: Command) -> None:
    (status,) = command("ls", "--json").json
    assert (status["state"], status["headline"], status["champion"]) == ("never run", None, None)
    for words in (("show", "small"), ("predict", "small"), ("promote", "small")):
        said = command(*words)
        assert (said.status, said.out) == (2, "")
        assert "no successful run" in said.err
    trial = records(swept)[0]
    assert command("show", "small", "--run", trial.id, "--json").json["run"]["trial"] is True
    assert "trial, succeeded" in command("history", "small").out


def test_what_the_sweep_of_today_finds_is_kept_and_a_point_that_is_no_longer_named_removed(
    swept: Path, command: Command
) -> None:
    before = command("sweep", "small", "--json").json
    assert command("gc").out == "Freed 0.0 MiB in 0 items.\n"
    toml = swept / "pipelines.toml"
    toml.write_text(toml.read_text().replace("[0.1, 1.0, 10.0]", "[0.1, 10.0]"))

    command("gc")

    store = swept / "data/store"
    assert [len(published(store, name)) for name in ("ingest", "preprocess", "train", "evaluate")] == [1, 1, 2, 2]
    left = [place["mean"]["validation"] for place in before if place["point"] != ["model.l2=1.0"]]
    assert [place["mean"]["validation"] for place in command("sweep", "small", "--json").json] == left


def test_what_was_tried_is_kept_while_its_data_is_out_of_sight(swept: Path, command: Command) -> None:
    (swept / "series.csv").rename(swept / "away.csv")

    assert command("gc").out == "Freed 0.0 MiB in 0 items.\n"


def test_a_point_that_fails_does_not_stop_the_rest(
    project: Path, command: Command, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "Processes", this_process)
    (project / "mine.py").write_text("def build(shape):\n    raise ValueError('no such network')\n")
    models = '{ kind = "linear" }, { kind = "mine.py:build" }, { kind = "linear", l2 = 3.0 }'
    (project / "pipelines.toml").write_text(f"{ONE_BASELINE}\n[pipelines.small.sweep]\nmodel = [{models}]\n")

    said = command("sweep", "small")

    assert said.status == 1
    (warning,) = [line for line in said.err.splitlines() if line.startswith("warning: ")]
    assert warning == (
        'warning: trial model={ kind = "mine.py:build" }, train.seed=42 failed, 2 of 3: '
        "RequestError: build raised ValueError: no such network (mine.py, line 2). Fix it."
    )
    assert [record.outcome for record in records(project)] == ["succeeded", "failed", "succeeded"]
    rows = said.out.splitlines()[1:4]
    assert "0 of 1" in rows[2]
    assert rows[2].startswith('model={ kind = "mine.py:build" }')


def test_a_sweep_goes_on_after_its_worker_and_then_itself_are_killed(
    project: Path, prefect_api: str, command: Command
) -> None:
    (project / "pipelines.toml").write_text(CUT)
    sweep = start(project, "-q", "sweep", "small", api=prefect_api)
    try:
        first = in_training(project, sweep)
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: records(project)[-1].pid != first.pid or sweep.poll() is not None, "another try", 300)
        assert sweep.poll() is None, (project / "err").read_text()
        cut = records(project)[-1]
    finally:
        sweep.kill()
        sweep.wait()
    wait_until(lambda: not is_running(cut.pid), "the worker to end with the sweep")
    store, reached = project / "data/store", newest_epoch(project)
    assert_all_whole(store)
    finished = {name: published(store, name) for name in ("ingest", "preprocess", "train", "evaluate")}
    assert {name: len(paths) for name, paths in finished.items()} == dict.fromkeys(finished, 1)
    before = records(project)
    assert len({record.pid for record in before}) == 2  # the second worker has the trial of the first, and no other

    said = command("sweep", "small")

    assert said.status == 0, said.err
    assert "3 trials, 1 of them cached" in said.err
    *killed, again = tried(project, LONG)
    assert [(record.id, record.finished) for record in killed] == [(first.id, None), (cut.id, None)]
    assert (again.outcome, made(again)) == ("succeeded", {"train", "evaluate"})
    assert records(project)[: len(before)] == before
    assert len(records(project)) == len(before) + 2
    assert all(set(paths) <= set(published(store, name)) for name, paths in finished.items())
    assert not list(store.glob("scratch/*"))
    wait_until(lambda: f"resuming after epoch {reached} of 60" in page(prefect_api), "Prefect's page to tell of it")


def page(api: str) -> str:
    """Return what Prefect's page has been told lately."""
    token = httpx.get(f"{api}/csrf-token", params={"client": "test"}).raise_for_status().json()["token"]
    guard = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"}
    found = httpx.post(f"{api}/logs/filter", json={"sort": "TIMESTAMP_DESC", "limit": 200}, headers=guard)
    return json.dumps(found.raise_for_status().json())

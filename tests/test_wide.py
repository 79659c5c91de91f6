"""Pipelines, blocks and trials side by side: by processes and by Dask, to the same bytes as one after the other."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from conftest import ROOT, SMALL
from gristmill.errors import WorkError
from gristmill.prefect_runtime.entrypoints import load_flow
from gristmill.project.project import Project
from gristmill.project.result import Result
from gristmill.runs.records import Record
from gristmill.tasks import stage_tasks
from gristmill.util.processes import is_running
from helpers.small_base import write_weights
from helpers.small_photos import write_photos
from helpers.support import Forked, made, records, wait_until, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("parity_here")]

Gristmill = Callable[..., subprocess.CompletedProcess[str]]

NET = SMALL.replace('kind = "linear"', 'kind = "dense"\nunits = [8]') + (
    "\n[pipelines.small.train]\nepochs = 1\n\n[pipelines.small.backtest]\nwindows = 2\nsize = 20\n"
)
BROKEN = SMALL.replace("pipelines.small", "pipelines.broken").replace('"linear"', '"mine.py:build"')
"""The small pipeline with a network and a backtest of two blocks, and one whose model cannot be built."""

FAILS = "def build(shape):\n    raise ValueError('no such network')\n"
FAILED = "RequestError: build raised ValueError: no such network (mine.py, line 2). Fix it."
PAUSES = """
import os, pathlib, signal
def build(shape):
    pathlib.Path({mark!r}, str(os.getpid())).touch()
    signal.pause()
"""
PHOTOS = """
[pipelines.photos]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 32, test = 0.25, validation = 0.25 }
model = { kind = "transfer", base = "MobileNetV3Small", weights = "small.weights.h5", cut = "expanded_conv_project" }
train = { epochs = 1, batch_size = 8 }
export = { formats = ["keras"] }
"""
SEVERAL = 4
MEETS = """
import os, pathlib, time
import keras
def build(shape):
    (pathlib.Path({mark!r}) / str(os.getpid())).touch()
    until = time.monotonic() + 300
    while len(os.listdir({mark!r})) < {count}:
        if time.monotonic() > until:
            raise TimeoutError("the others do not train meanwhile")
        time.sleep(0.01)
    inputs = keras.Input((shape.history, shape.columns))
    return keras.Model(inputs, keras.layers.Dense(shape.outputs)(keras.layers.Flatten()(inputs)))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Record:
    """The record of the small network's run in this process, one block after the other."""
    folder = tmp_path_factory.mktemp("alone")
    write_project(folder, NET)
    return Project.open(folder).run("small").record


@pytest.fixture(scope="module")
def cluster(prefect_api: str) -> Iterator[Any]:
    """A Dask cluster of two workers on loopback, which outlives those who send it work."""
    from distributed import LocalCluster

    with patch.dict(os.environ):  # which it changes, for its workers have one thread for linear algebra
        started = LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
        )
    with started:
        yield started


def try_once(project: str, pipeline: str) -> None:
    """Run a pipeline as far as its scores, which is where it needs its locks; the rest takes long."""
    load_flow("trial")(pipeline, ["train.epochs=1"], project)


def note_pieces(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list to which the pieces are added, by their stages, that workers are asked for from now on."""
    asked: list[list[str]] = []
    ask = stage_tasks.make_with_workers

    def noted(run: Any, inputs: Any, pieces: Any) -> Any:
        asked.append([piece.stage for piece in pieces])
        return ask(run, inputs, pieces)

    monkeypatch.setattr(stage_tasks, "make_with_workers", noted)
    return asked


def contents(record: Record) -> dict[str, str]:
    """Return what a run made, by digest; of the bundle, whose files hold their time, what it was made of."""
    made_of = {label: reference["digest"] for label, reference in record.references.items()}
    return made_of | {"export": record.references["export"]["key"]}


def chunks_of(project: Project) -> list[str]:
    """Return the stages of the chunks in the store, one name a chunk."""
    return sorted(item.path.parent.parent.name for item in project.collect() if "no recent run" in item.reason)


def test_pipelines_side_by_side_give_what_one_gives_alone_and_one_that_fails_fails_alone(
    project: Path, gristmill: Gristmill, prefect_api: str, alone: Record
) -> None:
    (project / "pipelines.toml").write_text(NET + BROKEN)
    (project / "mine.py").write_text(FAILS)

    said = gristmill("run", "small", "broken", "--jobs", "2", api=prefect_api)

    assert said.returncode == 1
    assert said.stderr.splitlines()[-1] == f"error: broken: {FAILED}"
    (run,) = records(project)
    assert contents(run) == contents(alone)
    assert (run.outcome, run.pid == os.getpid()) == ("succeeded", False)
    assert records(project, "broken")[0].pid != run.pid
    assert f"bundle  {project / 'data/store/export'}" in said.stdout


def runner_of(kind: str, cluster: Any) -> str:
    """Return the table of a runner of two workers."""
    how = {"processes": "workers = 2", "dask": f'kind = "dask"\naddress = "{cluster.scheduler_address}"'}
    return f"[runner]\n{how[kind]}\n"


def run_with_and_without(project: Path, runner: str, toml: str, name: str) -> tuple[Record, Record]:
    """Return the records of a pipeline's run in this process, and of one with a runner, in a new store."""
    (project / "pipelines.toml").write_text(toml)
    here = Project.open(project).run(name).record
    shutil.rmtree(project / "data/store")
    (project / "pipelines.toml").write_text(runner + toml)
    return here, Project.open(project).run(name).record


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_blocks_of_a_backtest_side_by_side_are_those_made_one_by_one_and_noted_as_made(
    project: Path, alone: Record, cluster: Any, kind: str
) -> None:
    (project / "pipelines.toml").write_text(runner_of(kind, cluster) + NET)

    run = Project.open(project).run("small").record

    assert contents(run) == contents(alone)
    assert made(run) == set(run.stages) == set(alone.stages)
    assert {run.pid} == {record.pid for record in records(project)} == {os.getpid()}  # the workers keep no record


def test_a_retraining_makes_its_blocks_side_by_side_too(
    project: Path, alone: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipelines.toml").write_text(f"[runner]\nworkers = 2\n{NET}")
    side_by_side = note_pieces(monkeypatch)

    run = Project.open(project).retrain("small")

    assert run.retraining is not None
    blocks = [label for label in alone.stages if label.startswith("backtest")]
    assert blocks
    assert made(run) == set(run.stages) >= set(blocks)
    assert side_by_side == [blocks]


def test_on_dask_pipelines_give_what_they_give_here_and_one_that_fails_fails_alone(
    project: Path, cluster: Any, alone: Record
) -> None:
    (project / "pipelines.toml").write_text(runner_of("dask", cluster) + NET + BROKEN)
    (project / "mine.py").write_text(FAILS)

    ended = Project.open(project).run_all(["small", "broken"])

    found, failed = ended["small"], ended["broken"]
    assert isinstance(found, Result)
    assert contents(found.record) == contents(alone)
    assert isinstance(failed, WorkError)
    assert str(failed).startswith("broken: worker tcp://127.0.0.1:")
    assert str(failed).endswith(f": {FAILED}")


def test_photos_in_chunks_on_dask_become_what_they_become_here(project: Path, cluster: Any) -> None:
    write_photos(project / "photos", ["disc", "square"], 8)
    write_weights(project)

    here, there = run_with_and_without(project, runner_of("dask", cluster), PHOTOS, "photos")

    assert contents(there) == contents(here)
    opened = Project.open(project)
    assert chunks_of(opened) == ["features"] * 3 + ["preprocess"] * 3  # one a part
    assert all(step.state == "fresh" for step in opened.plan("photos"))


def test_a_unit_on_dask_whose_process_is_killed_is_tried_again_and_ends_with_who_sent_it(
    project: Path, cluster: Any, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mark = tmp_path_factory.mktemp("mark")
    (project / "pipelines.toml").write_text(
        f"{runner_of('dask', cluster)}{BROKEN}\n[pipelines.broken.sweep]\nseeds = 1\ntrain.epochs = [1]\n"
    )
    (project / "mine.py").write_text(PAUSES.format(mark=str(mark)))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": prefect_api}
    line = [sys.executable, "-c", "from gristmill.cli.app import main; main()", "sweep", "broken"]
    with (project / "err").open("wb") as err:
        parent = subprocess.Popen(line, cwd=project, env=environment, stdout=err, stderr=err)
    try:
        wait_until(lambda: len(list(mark.iterdir())) == 1 or parent.poll() is not None, "a first try", 300)
        (first,) = (int(path.name) for path in mark.iterdir())
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(list(mark.iterdir())) == 2 or parent.poll() is not None, "a second try", 300)
        assert parent.poll() is None, (project / "err").read_text()
    finally:
        parent.kill()
        parent.wait()
    (second,) = {int(path.name) for path in mark.iterdir()} - {first}

    wait_until(lambda: not is_running(second), "the unit's process to end with who sent it")
    assert all(worker.process.is_alive() for worker in cluster.workers.values())  # Dask's own, for the next to come
    assert records(project, "broken")[-1].outcome == "interrupted"


def test_several_pipelines_on_one_store_all_train_at_the_same_time(
    project: Path, forked: Forked, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mark = tmp_path_factory.mktemp("mark")
    names = [f"p{number}" for number in range(SEVERAL)]
    table = SMALL.replace('"linear"', '"mine.py:build"')
    for number, name in enumerate(names):  # each its own data: nothing that one makes is of use to another
        months = (project / "series.csv").read_text().splitlines()
        (project / f"{name}.csv").write_text("\n".join([months[0], *months[1 + number : 200 + number]]) + "\n")
    (project / "pipelines.toml").write_text(
        "".join(
            table.replace("pipelines.small", f"pipelines.{name}").replace("series.csv", f"{name}.csv") for name in names
        )
    )
    (project / "mine.py").write_text(MEETS.format(mark=str(mark), count=SEVERAL))

    running = [forked.call(try_once, str(project), name) for name in names]
    for process in running:
        process.join(600)

    assert [process.exitcode for process in running] == [0] * SEVERAL
    assert {records(project, name)[0].outcome for name in names} == {"succeeded"}
    assert len(list(mark.iterdir())) == SEVERAL  # each was in its training, holding its lock, until all were in theirs

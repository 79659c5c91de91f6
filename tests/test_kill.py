"""Kill it anywhere: what is visible is whole, and the next run goes on, training included, to the same weights."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from conftest import ONE_BASELINE, ROOT, SMALL
from gristmill.config.catalogue import load
from gristmill.notifications.delivery import deliver
from gristmill.registry.registry import Registry
from gristmill.runs.records import Runs
from gristmill.store.store import Store
from gristmill.util.processes import is_running
from helpers.scoreboard import Fault
from helpers.servers import answers, make_prefect_home
from helpers.support import (
    STAGE_NAMES,
    Command,
    Forked,
    assert_all_whole,
    made,
    newest_epoch,
    published,
    records,
    wait_until,
    with_model,
    write_project,
)
from helpers.webhook import TABLE, Webhook

pytest_plugins = ["helpers.end_to_end", "helpers.webhook"]
pytestmark = pytest.mark.slow

KILLS = 200 if Fault.full else 4

SHORT = with_model('kind = "dense"\nunits = [4]', "epochs = 3\nbatch_size = 2") + "refit = true\n"
"""Its last table is that of export."""

FRESH = """
from gristmill.training.keras_backend import import_keras
import_keras()
from gristmill.cli import app
from gristmill.training import fit
fit.MIN_SECONDS_BETWEEN_CHECKPOINTS = 0.0
app.main()
"""
"""The command, with a checkpoint after every epoch."""

PATIENCE = 300  # seconds, for a schedule that starts a server, and then a process for each run

SCHEDULE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from gristmill.cli.app import main
main()
"""
"""The command, which hears SIGINT: a shell's background jobs, and so their children, are born deaf to it."""

EPOCHS = 18
LONG = with_model('kind = "dense"\nunits = [4]', f"epochs = {EPOCHS}\nbatch_size = 1")
"""Epochs of a few tenths of a second, and enough of them to be cut off three times."""


AUTO = (
    SMALL.replace(
        'kind = "linear"',
        """kind = "auto"
preset = "none"
candidates = ["naive", { model = { kind = "seasonal_naive", season = 5000 } }, "linear", { model = { kind = "dense" } }]

[pipelines.small.select.weights]
linear = 0.5
dense = 0.5

[pipelines.small.train]
epochs = 12
patience = 4""",
    )
    + "refit = true\n"
)
"""One fails; a network and a closed form are fitted, averaged and fitted again. Its last table is that of export."""

ANY_MODEL = "\n[pipelines.small.gate]\nwindow = 20\n"
"""A gate that a model passes which no baseline is asked about."""


@pytest.mark.fault(1)
def test_killed_at_random_moments_nothing_partial_is_seen_and_the_next_run_completes(
    project: Path, forked: Forked, command: Command, fault: Fault
) -> None:
    write_project(project, SHORT)
    began = time.monotonic()
    assert forked.run(project, "run", "small") == 0, (project / "err").read_text()
    length = time.monotonic() - began
    store, uninterrupted = project / "data/store", project / "uninterrupted"
    store.rename(uninterrupted)
    moments = np.random.default_rng(20261125)
    killed = completed = 0
    while killed < KILLS:
        process = forked.start(project, "run", "small")
        process.join(moments.uniform(0, length))
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
            assert_all_whole(store)
            outcomes = {record.outcome for record in Runs(Store(store)).newest_first("small")}
            assert outcomes <= {"interrupted", "succeeded"}  # succeeded, if it was the report that was cut off
        else:
            assert process.exitcode == 0, (project / "err").read_text()
            completed += 1
            store.rename(project / f"store-{completed}")  # it came in time: begin again

    assert forked.run(project, "run", "small") == 0, (project / "err").read_text()

    assert command("verify").status == 0
    assert_all_whole(store)
    assert [len(published(store, stage)) for stage in [*STAGE_NAMES, "refit"]] == [1] * (len(STAGE_NAMES) + 1)
    for stage in ("train", "refit"):
        assert weights_of(store, stage) == weights_of(uninterrupted, stage)
    assert not list(store.glob("*/??/.*~*"))
    assert not list(store.glob("scratch/*"))
    fault.tried(killed)


@pytest.mark.fault(1)
def test_a_run_of_candidates_killed_at_random_moments_ends_with_the_same_bits(project: Path, forked: Forked) -> None:
    write_project(project, AUTO)
    began = time.monotonic()
    assert forked.run(project, "run", "small") == 0, (project / "err").read_text()
    length = time.monotonic() - began
    store, uninterrupted = project / "data/store", project / "uninterrupted"
    store.rename(uninterrupted)
    moments = np.random.default_rng(20261128)

    for _ in range(KILLS):
        process = forked.start(project, "run", "small")
        process.join(moments.uniform(0, length))
        process.kill()
        process.join()
        assert_all_whole(store)
    assert forked.run(project, "run", "small") == 0, (project / "err").read_text()

    assert_all_whole(store)
    made_of = {stage: len(published(store, stage)) for stage in ("train", "select", "evaluate", "refit", "export")}
    assert made_of == {"train": 4, "select": 1, "evaluate": 1, "refit": 1, "export": 1}
    for stage in ("train", "select", "refit"):
        assert content_of(store, stage) == content_of(uninterrupted, stage)
    failed = [text for text in content_of(store, "train").values() if b"needs 5000 observations" in text]
    assert len(failed) == 1  # an artifact like the others: it was not tried again


def content_of(store: Path, stage: str) -> dict[str, bytes]:
    """Return the files of all artifacts of a stage, without what was measured."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for artifact in published(store, stage)
        for path in artifact.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.fault(2)
def test_training_cut_off_by_each_signal_goes_on_to_the_weights_of_an_uninterrupted_one(
    project: Path, forked: Forked, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    uninterrupted = tmp_path_factory.mktemp("uninterrupted")
    write_project(uninterrupted, LONG)
    write_project(project, LONG)
    assert forked.run(uninterrupted, "run", "small") == 0, (uninterrupted / "err").read_text()

    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": prefect_api}
    command = [sys.executable, "-c", FRESH, "-q", "run", "small"]
    with (project / "err").open("w") as err, (project / "out").open("w") as out:
        fresh = subprocess.Popen(command, cwd=project, env=environment, stdout=out, stderr=err)
    send(signal.SIGTERM, fresh.pid, lambda: fresh.poll() is not None, project, after_epoch=2)
    assert_interrupted(project, fresh.wait(120))

    process = forked.start(project, "-q", "run", "small")
    send(signal.SIGINT, process.pid, lambda: process.exitcode is not None, project, after_epoch=5)
    process.join(120)
    assert_interrupted(project, process.exitcode)

    process = forked.start(project, "run", "small")
    send(signal.SIGKILL, process.pid, lambda: process.exitcode is not None, project, after_epoch=8)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert_all_whole(project / "data/store")
    reached = newest_epoch(project)

    (project / "err").unlink()
    assert forked.run(project, "run", "small") == 0

    assert f"resuming after epoch {reached} of {EPOCHS}" in (project / "err").read_text().splitlines()
    assert weights_of(project / "data/store") == weights_of(uninterrupted / "data/store")
    last = records(project)[-1]
    assert (last.outcome, made(last)) == ("succeeded", {"train", "evaluate", "export"})
    assert not list((project / "data/store/scratch").iterdir())


def send(number: signal.Signals, pid: int | None, ended: Callable[[], bool], project: Path, after_epoch: int) -> None:
    """Send a signal to a process as soon as the checkpoint of an epoch is there."""
    wait_until(lambda: newest_epoch(project) >= after_epoch or ended(), f"the checkpoint of epoch {after_epoch}")
    assert not ended(), (project / "err").read_text()
    assert pid is not None
    os.kill(pid, number)


def assert_interrupted(project: Path, status: int | None) -> None:
    """Assert that a process, interrupted in training, ended with one line, whole artifacts and a record of it."""
    assert (status, (project / "err").read_text()) == (
        130,
        "interrupted; finished work is kept, and the next run resumes from it\n",
    )
    (project / "err").unlink()
    assert_all_whole(project / "data/store")
    assert published(project / "data/store", "train") == []
    last = records(project)[-1]
    assert (last.outcome, list(last.stages)) == ("interrupted", ["ingest", "preprocess"])
    assert last.finished is not None


def weights_of(store: Path, stage: str = "train") -> bytes:
    """Return the bytes of the weights of the only network that a stage trained."""
    (artifact,) = published(store, stage)
    return (artifact / "weights.npz").read_bytes()


@pytest.mark.fault(1)
def test_a_retraining_killed_at_random_moments_ends_in_the_same_version(project: Path, forked: Forked) -> None:
    write_project(project, ONE_BASELINE + ANY_MODEL)
    months = (project / "series.csv").read_text()
    (project / "series.csv").write_text("\n".join(months.splitlines()[:281]) + "\n")
    assert forked.run(project, "retrain", "small", "--set", "model.kind=naive") == 0, (project / "err").read_text()
    (project / "series.csv").write_text(months)
    store, before, uninterrupted = project / "data/store", project / "before", project / "uninterrupted"
    shutil.copytree(store, before)
    began = time.monotonic()
    assert forked.run(project, "retrain", "small") == 0, (project / "err").read_text()
    length = time.monotonic() - began
    store.rename(uninterrupted)
    moments = np.random.default_rng(20261126)

    shutil.copytree(before, store)
    for _ in range(KILLS):
        process = forked.start(project, "retrain", "small")
        process.join(moments.uniform(0, length))
        process.kill()
        process.join()
        assert_all_whole(store)
        assert served(store)[0] in (1, 2)
    assert forked.run(project, "retrain", "small") == 0, (project / "err").read_text()

    assert served(store) == served(uninterrupted) == (2, [2, 1], served(store)[2])


@pytest.mark.fault(2)
@pytest.mark.fault(30)
def test_a_schedule_and_its_runs_are_killed_and_the_next_one_goes_on(
    project: Path, forked: Forked, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The schedule reports a killed run; a process that watches reports a killed schedule."""
    uninterrupted, store = tmp_path_factory.mktemp("uninterrupted"), project / "data/store"
    schedule = '\n[pipelines.small.schedule]\ninterval = "10 seconds"\non_event = true\n'
    longer = LONG.replace(f"epochs = {EPOCHS}", f"epochs = {3 * EPOCHS}")  # it is killed twice from elsewhere
    network = re.sub("baselines = .*", 'baselines = ["naive"]', longer)
    write_project(uninterrupted, network + schedule + ANY_MODEL)
    write_project(project, network + schedule + ANY_MODEL + TABLE)
    assert forked.run(uninterrupted, "retrain", "small") == 0, (uninterrupted / "err").read_text()

    first = start_schedule(project)
    try:
        wait_for_epoch(2, project, first)
        os.kill(records(project)[-1].pid, signal.SIGKILL)
        reached = newest_epoch(project)
        wait_until(lambda: webhook.subjects == ["small: retraining killed"], "the message")
        wait_for_epoch(reached + 2, project, first)
        run, page = records(project)[-1].pid, page_of(project)
        assert answers(f"{page}/api")
    finally:
        first.kill()
        first.wait()
    wait_until(lambda: not is_running(run), "the run to end")
    wait_until(lambda: not answers(f"{page}/api"), "the server to end")
    wait_until(lambda: webhook.subjects == ["small: retraining killed"] * 2, "the second message")
    assert_all_whole(store)
    assert published(store, "train") == []
    assert [record.outcome for record in Runs(Store(store)).newest_first("small")] == ["interrupted"] * 2
    reached = newest_epoch(project)

    second = start_schedule(project)
    try:
        wait_until(lambda: "nothing new" in verdicts(project) or second.poll() is not None, "two retrainings", PATIENCE)
        page = page_of(project)
        assert (project / "out").read_text().splitlines() == [
            "small-retrain every 10 seconds and when its data is updated",
            f"api  {page}/api",
            f"Prefect's page {page} (Ctrl-C stops it)",
        ]
        assert httpx.get(f"{page}/ui-settings").json()["api_url"] == f"{page}/api"
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0, (project / "err").read_text()
    wait_until(lambda: not answers(f"{page}/api"), "the server to end")

    assert f"resuming after epoch {reached} of {3 * EPOCHS}" in (project / "err").read_text()
    assert verdicts(project)[:4] == [None, None, "promoted", "nothing new"]
    assert set(verdicts(project)[4:]) <= {None, "nothing new"}
    assert deliver(load(project))
    assert webhook.subjects == ["small: retraining killed"] * 2 + ["small: version 1 promoted"]
    assert served(store) == served(uninterrupted / "data/store") == (1, [1], served(store)[2])
    assert [len(published(store, stage)) for stage in (*STAGE_NAMES, "refit")] == [1] * (len(STAGE_NAMES) + 1)
    assert not list(store.glob("scratch/*"))


def wait_for_epoch(epoch: int, project: Path, schedule: "subprocess.Popen[bytes]") -> None:
    """Wait until a retraining of a schedule has written the checkpoint of an epoch."""
    wait_until(
        lambda: newest_epoch(project) >= epoch or schedule.poll() is not None,
        f"the checkpoint of epoch {epoch}",
        PATIENCE,
    )
    assert schedule.poll() is None, (project / "err").read_text()


def start_schedule(project: Path) -> "subprocess.Popen[bytes]":
    """Start `gristmill schedule` in a project, with a Prefect server of its own."""
    environment = os.environ | {"PREFECT_HOME": str(make_prefect_home(project / "prefect")), "PYTHONPATH": str(ROOT)}
    for name in ("PREFECT_API_URL", "PREFECT_LOGGING_LEVEL"):
        environment.pop(name, None)
    with (project / "out").open("wb") as out, (project / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", SCHEDULE, "schedule"], cwd=project, env=environment, stdout=out, stderr=err
        )


def page_of(project: Path) -> str:
    """Return the address of the page that `gristmill schedule` told."""
    found = re.search(r"http://127\.0\.0\.1:\d+", (project / "out").read_text())
    assert found, (project / "err").read_text()
    return found[0]


def verdicts(project: Path) -> list[str | None]:
    """Return what the retrainings of a project came to, oldest first; None of those that have not ended."""
    return [record.retraining.verdict if record.retraining else None for record in records(project)]


def served(store: Path) -> tuple[int, list[int], str]:
    """Return the champion, all versions from the newest on, and the digest of the network that is served."""
    registry = Registry(Store(store))
    champion = registry.champion("small", verified=True)
    assert champion is not None
    numbers = [version.number for version in registry.versions("small")]
    return champion.number, numbers, champion.references["refit"]["digest"]

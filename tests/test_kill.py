"""Kill it anywhere: what is visible is whole, and the next run goes on, training included, to the same weights."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from support import (
    STAGE_NAMES,
    Command,
    Forked,
    assert_all_whole,
    made,
    published,
    records,
    wait_until,
    with_model,
    write_project,
)

pytest_plugins = ["end_to_end"]

KILLS = int(os.environ.get("GRISTMILL_KILLS", "6"))

SHORT = with_model('kind = "conv_lstm"\nfilters = 2\nunits = [2]\ndense = [2]', "epochs = 3")
LONG = with_model('kind = "conv_lstm"\nfilters = 2\nunits = [2]\ndense = [2]', "epochs = 60\nbatch_size = 2")
"""Epochs of a tenth of a second, and enough of them to be cut off more than once."""


@pytest.mark.slow
def test_killed_at_random_moments_nothing_partial_is_seen_and_the_next_run_completes(
    project: Path, forked: Forked, command: Command
) -> None:
    write_project(project, SHORT)
    began = time.monotonic()
    assert forked.run(project, "run", "small") == 0, (project / "log").read_text()
    length = time.monotonic() - began
    store, uninterrupted = project / "data/store", project / "uninterrupted"
    store.rename(uninterrupted)
    moments = random.Random(20261125)  # noqa: S311
    killed = 0
    while killed < KILLS:
        process = forked.start(project, "run", "small")
        process.join(moments.uniform(0, length))
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
            assert_all_whole(store)
            assert {record.outcome for record in records(project)} <= {"running"}  # as written; read as interrupted
        else:
            assert process.exitcode == 0, (project / "log").read_text()
            store.rename(project / f"store-{killed}")  # it had all it needed: begin again

    assert forked.run(project, "run", "small") == 0, (project / "log").read_text()

    assert command("verify").status == 0
    assert_all_whole(store)
    assert [len(published(store, stage)) for stage in STAGE_NAMES] == [1] * len(STAGE_NAMES)
    assert weights_of(store) == weights_of(uninterrupted)
    assert not list(store.glob("*/??/.*~*"))
    assert not list(store.glob("scratch/*"))


@pytest.mark.slow
def test_training_cut_off_by_each_signal_goes_on_to_the_weights_of_an_uninterrupted_one(
    project: Path, forked: Forked, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    uninterrupted = tmp_path_factory.mktemp("uninterrupted")
    write_project(uninterrupted, LONG)
    write_project(project, LONG)
    assert forked.run(uninterrupted, "run", "small") == 0, (uninterrupted / "log").read_text()

    interrupted_by(signal.SIGTERM, project, after_epoch=3, api=prefect_api)
    interrupted_by(signal.SIGINT, project, after_epoch=10, api=prefect_api)
    process = forked.start(project, "run", "small")
    wait_until(lambda: newest_epoch(project) >= 17, "epoch 17")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_all_whole(project / "data/store")
    reached = newest_epoch(project)

    (project / "log").unlink()
    assert forked.run(project, "run", "small") == 0

    log = (project / "log").read_text()
    assert f"going on after epoch {reached} of 60" in log.splitlines()
    assert weights_of(project / "data/store") == weights_of(uninterrupted / "data/store")
    last = records(project)[-1]
    assert (last.outcome, made(last)) == ("succeeded", {"train", "evaluate", "export"})
    assert not list((project / "data/store/scratch").iterdir())


def interrupted_by(number: signal.Signals, project: Path, after_epoch: int, api: str) -> None:
    """Start the command in a fresh process, send a signal after an epoch, and assert that it ends as it should."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": api}
    with subprocess.Popen(
        [sys.executable, "-c", "from gristmill.cli import main; main()", "-q", "run", "small"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: newest_epoch(project) >= after_epoch or process.poll() is not None, f"epoch {after_epoch}")
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (
        130,
        "interrupted; what was finished is kept, and the next run goes on from there\n",
    )
    assert_all_whole(project / "data/store")
    assert published(project / "data/store", "train") == []
    last = records(project)[-1]
    assert (last.outcome, list(last.stages)) == ("interrupted", ["ingest", "preprocess"])
    assert last.finished is not None
    assert newest_epoch(project) >= after_epoch


def newest_epoch(project: Path) -> int:
    """Return the number of the newest checkpoint's epoch, 0 if there is none."""
    return max((int(path.name.partition("-")[2]) for path in project.glob("data/store/scratch/*/epoch-*")), default=0)


def weights_of(store: Path) -> bytes:
    """Return the bytes of the weights of the only trained network."""
    (artifact,) = published(store, "train")
    return (artifact / "weights.npz").read_bytes()

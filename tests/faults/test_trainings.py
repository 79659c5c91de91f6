"""Trainings that break off: what the next run takes of checkpoints, and what is left of a loss that is no number."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ONE_BASELINE
from gristmill.errors import StoreError
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.store.store import Store
from helpers.failing import full
from helpers.scoreboard import Fault
from helpers.support import Command, edit, published, records, the_error, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

DENSE = (
    ONE_BASELINE.replace('kind = "linear"', 'kind = "dense"\nunits = [2]')
    + """
[pipelines.small.train]
epochs = 3
"""
)
GATE = "\n[pipelines.small.gate]\nwindow = 20\n"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, parity_here: None, prefect_api: str) -> Path:
    """A project whose training did all its epochs, but for whose weights the disk had no room. Copy it."""
    folder = tmp_path_factory.mktemp("begun")
    write_project(folder, DENSE)
    with pytest.MonkeyPatch.context() as patch, full("train", "weights.npz", folder / "data/store"):
        patch.setattr("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        with pytest.raises(StoreError, match="the disk is full"):
            Project.open(folder).run("small")
    return folder


@pytest.fixture
def broken_off(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoints of a copy of that project, which is the current folder."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (checkpoints,) = (tmp_path / "data/store/scratch").iterdir()
    assert sorted(path.name for path in checkpoints.iterdir()) == ["epoch-000002", "epoch-000003"]
    return checkpoints


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda newest: os.truncate(newest / "arrays.npz", 100), marks=pytest.mark.fault(4)),
        pytest.param(lambda newest: os.truncate(newest / "state.json", 0), marks=pytest.mark.fault(5)),
    ],
    ids=["cut short", "state empty"],
)
def test_a_run_warns_of_a_damaged_checkpoint_and_goes_on_from_the_one_before(
    damage: Callable[[Path], object], broken_off: Path, command: Command, fault: Fault
) -> None:
    newest = broken_off / "epoch-000003"
    damage(newest)

    said = command("run", "small")

    assert said.status == 0, said.err
    (warning,) = [line for line in said.err.splitlines() if "checkpoint not usable" in line]
    assert f"{newest}: checkpoint not usable (" in warning
    assert "resuming after epoch 2 of 3" in said.err
    fault.said(warning)


@pytest.mark.fault(6)
@pytest.mark.parametrize("changed", ["settings", "data"] if Fault.full else ["data"])
def test_a_run_never_looks_at_the_checkpoints_of_other_settings_or_data(
    changed: str, broken_off: Path, command: Command
) -> None:
    if changed == "data":
        edit(Path("series.csv"), "1749-01,58.0", "1749-01,58.1")

    said = command("run", "small", *(["--set", "train.learning_rate=0.01"] if changed == "settings" else []))

    assert said.status == 0, said.err
    assert "epoch 1 of 3" in said.err
    assert "going on" not in said.err
    assert broken_off.exists()


@pytest.mark.fault(20)
@pytest.mark.parametrize("word", ["run", "retrain"] if Fault.full else ["retrain"])
def test_a_loss_that_is_no_number_ends_the_command_and_the_champion_stays(
    word: str, project: Path, command: Command, fault: Fault
) -> None:
    write_project(project, DENSE + GATE)
    store, months = project / "data/store", (project / "series.csv").read_text()
    (project / "series.csv").write_text("".join(months.splitlines(keepends=True)[:281]))
    assert command("run", "small").status == 0
    assert command("promote", "small").status == 0
    trained = published(store, "train")
    (project / "series.csv").write_text(months)
    edit(project / "pipelines.toml", "epochs = 3", 'epochs = 3\noptimizer = "sgd"\nlearning_rate = 1e30')

    message = the_error(command(word, "small"))

    assert message.startswith("the loss became ")
    assert message.endswith("Lower train.learning_rate, or look for extreme values in the data.")
    assert published(store, "train") == trained
    assert records(project)[-1].outcome == "failed"
    assert Registry(Store(store)).promoted("small") == 1
    fault.said(message)

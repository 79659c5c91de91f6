"""Checkpoints: the newest that holds is used, whatever happened to the others."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gristmill.training.checkpoint import load, save

ROOT = Path(__file__).parents[3]
STATE = {"losses": [0.5, 0.1], "best_epoch": 2, "stopped": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of three epochs, of which the last two are kept."""
    for epoch in (1, 2, 3):
        save(tmp_path / "key", epoch, {"network/0000": np.full((2, 3), epoch, "float32")}, STATE | {"epoch": epoch})
    return tmp_path / "key"


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What gristmill warns of, also where a command has taken its log over."""
    logging.getLogger("gristmill").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("gristmill").removeHandler(caplog.handler)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def epoch_of(folder: Path) -> int | None:
    found = load(folder)
    return found[0] if found else None


def test_what_is_saved_is_loaded_to_the_last_bit(tmp_path: Path) -> None:
    arrays = {
        "network/0000": np.random.default_rng(0).normal(size=(3, 4)).astype("float32"),
        "network/0001": np.array([np.nan, np.inf, -0.0, 5e-324]),
        "optimizer/0000": np.array(7, dtype="int64"),
        "best/0000": np.empty((0, 2), "float32"),
    }
    save(tmp_path, 12, arrays, STATE)
    found = load(tmp_path)
    assert found is not None
    epoch, loaded, state = found
    assert (epoch, state, list(loaded)) == (12, STATE, list(arrays))
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


def test_the_last_two_are_kept(folder: Path) -> None:
    assert names(folder) == ["epoch-000002", "epoch-000003"]
    assert epoch_of(folder) == 3


def test_epochs_are_ordered_as_numbers(tmp_path: Path) -> None:
    for epoch in (9, 10, 99, 100):
        save(tmp_path, epoch, {"a": np.zeros(1)}, {})
    assert names(tmp_path) == ["epoch-000099", "epoch-000100"]
    assert epoch_of(tmp_path) == 100


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


DAMAGES: list[Callable[[Path], object]] = [
    lambda path: os.truncate(path / "arrays.npz", 100),
    lambda path: os.truncate(path / "arrays.npz", 0),
    lambda path: flip(path / "arrays.npz"),
    lambda path: (path / "arrays.npz").unlink(),
    lambda path: os.truncate(path / "state.json", 10),
    lambda path: os.truncate(path / "state.json", 0),
    lambda path: (path / "state.json").write_text("[]"),
    lambda path: (path / "state.json").write_text("{}"),
    lambda path: (path / "state.json").write_bytes(b"\xff"),
    lambda path: (path / "state.json").unlink(),
    lambda path: edit(path / "state.json", epoch=30),
    lambda path: edit(path / "state.json", state={}),
]


@pytest.mark.fault(4)
@pytest.mark.fault(5)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_gives_way_to_the_one_before(
    folder: Path, damage: Callable[[Path], object], warned: pytest.LogCaptureFixture
) -> None:
    damage(folder / "epoch-000003")
    found = load(folder)
    assert found is not None
    assert (found[0], found[2]["epoch"], found[1]["network/0000"].max()) == (2, 2, 2)
    assert f"{folder / 'epoch-000003'}: checkpoint not usable" in warned.text
    assert names(folder) == ["epoch-000002"]


@pytest.mark.fault(3)
def test_weights_of_one_epoch_with_the_state_of_another_are_refused(folder: Path) -> None:
    """A kill between the two files can never show as a pair that holds."""
    (folder / "epoch-000002/arrays.npz").replace(folder / "epoch-000003/arrays.npz")
    assert load(folder) is None


@pytest.mark.fault(4)
@pytest.mark.fault(5)
@pytest.mark.parametrize("damage", DAMAGES)
def test_where_none_holds_there_is_none(folder: Path, damage: Callable[[Path], object]) -> None:
    for path in list(folder.iterdir()):
        damage(path)
    assert load(folder) is None
    assert names(folder) == []


def test_where_none_held_new_ones_of_earlier_epochs_are_kept(folder: Path) -> None:
    for path in folder.iterdir():
        (path / "state.json").write_text("")
    assert load(folder) is None
    save(folder, 1, {"a": np.zeros(1)}, {})
    assert epoch_of(folder) == 1


def test_where_none_was_saved_there_is_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path / "nowhere") is None


def test_a_damaged_one_is_replaced_when_its_epoch_is_done_again(folder: Path) -> None:
    (folder / "epoch-000003/arrays.npz").unlink()
    assert epoch_of(folder) == 2
    save(folder, 3, {"a": np.zeros(1)}, {"again": True})
    found = load(folder)
    assert found is not None
    assert (found[0], found[2]) == (3, {"again": True})
    assert names(folder) == ["epoch-000002", "epoch-000003"]


@pytest.mark.fault(6)
def test_those_of_other_settings_or_data_are_never_looked_at(folder: Path) -> None:
    """They lie in the folder of another key."""
    assert load(folder.with_name("other key")) is None
    save(folder.with_name("other key"), 1, {"a": np.zeros(1)}, {})
    assert (epoch_of(folder.with_name("other key")), epoch_of(folder)) == (1, 3)


@pytest.mark.fault(3)
def test_a_kill_before_the_rename_leaves_the_one_before(folder: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; import numpy as np; from gristmill.training import checkpoint\n"
        "checkpoint.rename_folder = lambda *_: os.kill(os.getpid(), 9)\n"
        "checkpoint.save(Path(sys.argv[1]), 4, {'a': np.zeros(1)}, {})"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(folder)) == 3
    assert epoch_of(folder) == 3
    save(folder, 4, {"a": np.zeros(1)}, {})
    assert epoch_of(folder) == 4


def test_a_full_disk_leaves_those_that_are_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        save(folder, 4, {"a": np.zeros(1)}, {})
    assert names(folder) == ["epoch-000002", "epoch-000003"]
    assert epoch_of(folder) == 3


def test_what_would_need_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        save(tmp_path, 1, {"a": np.array([object()])}, {})
    assert names(tmp_path) == []

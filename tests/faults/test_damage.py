"""Damage to every kind of file that a store holds: found by `verify` and on reading, never used, made again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import ONE_BASELINE
from gristmill.keys import digest_of_file
from gristmill.project.project import Project
from gristmill.training import saved_network
from helpers.scoreboard import Fault
from helpers.small_projects import WRITERS, table_of
from helpers.support import Command, assert_all_whole, the_error, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

Damage = Callable[[Path], object]

DOMAINS = ["timeseries", *WRITERS] if Fault.full else ["timeseries", "vision"]
"""Those of the shortened form hold tables, weights, TFRecord files and Keras' own between them."""

PLACES = np.random.default_rng(20261125).uniform(0, 1, 10 if Fault.full else 0)
"""Where a bit is flipped beside its middle, as a share of the file."""


def flip(path: Path, at: float = 0.5) -> None:
    """Change one bit of a file, and have it look untouched."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Cut a file short; one of records behind the first, so that what is left is such a file, too."""
    content = path.read_bytes()
    record = 16 + int.from_bytes(content[:8], "little")  # length and checksums around what it holds
    path.write_bytes(content[: record if path.suffix == ".tfrecord" else len(content) // 2])


def empty(path: Path) -> None:
    """Leave nothing of a file but its name."""
    os.truncate(path, 0)


def make_folder(path: Path) -> None:
    """Put a folder where a file is."""
    path.unlink()
    path.mkdir()


DAMAGES: list[Damage] = [flip, cut, empty, Path.unlink, make_folder]


ALTERED = "altered since it was published (its SHA-256 does not hold)."
MISSING = "missing, though its manifest lists it."


@pytest.fixture(scope="module", params=DOMAINS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Path:
    """A project whose one pipeline, `small`, has a champion. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "timeseries":
        write_project(folder, ONE_BASELINE)
    else:
        (folder / "pipelines.toml").write_text(table_of(request.param, "small"))
        WRITERS[request.param](folder, 2)
    project = Project.open(folder)
    project.run("small")
    project.promote("small")
    return folder


@pytest.fixture
def kept(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of a copy of the project, which is the current folder."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data/store"


def files(store: Path, *patterns: str) -> list[Path]:
    """Return the files that patterns name."""
    return sorted(path for pattern in patterns for path in store.glob(pattern) if path.is_file())


def restored(path: Path, content: bytes) -> None:
    """Put a file back."""
    if path.is_dir():
        path.rmdir()
    path.write_bytes(content)


@pytest.mark.fault(7)
@pytest.mark.fault(8)
@pytest.mark.fault(9)
@pytest.mark.fault(10)
@pytest.mark.fault(11)
@pytest.mark.parametrize("finished", DOMAINS if Fault.full else DOMAINS[:1], indirect=True)
def test_whatever_happens_to_a_file_verify_names_it_and_no_prediction_is_made_from_it(
    kept: Path, command: Command, fault: Fault
) -> None:
    damages = [*DAMAGES, *(lambda path, at=at: flip(path, at) for at in PLACES)]
    tried = 0
    for path in files(kept, "*/??/*/**/*", "registry/**/*"):  # a copy, in which the two share no bytes
        content = path.read_bytes()
        for damage in damages:
            if damage is Path.unlink and path.parent.name == "promotions":
                continue  # the pointer holds all that is needed
            damage(path)
            verified = command("verify")
            assert verified.status == 1, path
            assert str(path) in verified.out.splitlines()[0]
            if "bundles" in path.parts:
                predicted = command("predict", "small")
                assert the_error(predicted).startswith("pipeline 'small': no version can be used.")
                assert f"{path}: " in predicted.err
            restored(path, content)
            tried += 1

    assert command("verify").status == 0
    fault.tried(tried)


SERIES, PHOTOS = "timeseries", "vision"


@pytest.mark.parametrize(
    ("finished", "name", "damages", "told"),
    [
        pytest.param(SERIES, "preprocess/??/*/series.parquet", [flip], ALTERED, marks=pytest.mark.fault(7)),
        pytest.param(PHOTOS, "preprocess/??/*/*.tfrecord", [empty, flip, cut], ALTERED, marks=pytest.mark.fault(8)),
        pytest.param(SERIES, "train/??/*/weights.npz", [flip], ALTERED, marks=pytest.mark.fault(9)),
        pytest.param(SERIES, "export/??/*/model.keras", [cut], ALTERED, marks=pytest.mark.fault(10)),
        pytest.param(SERIES, "preprocess/??/*/series.parquet", [Path.unlink], MISSING, marks=pytest.mark.fault(11)),
    ],
    indirect=["finished"],
)
def test_it_is_said_what_became_of_a_file_and_the_run_that_needs_it_makes_it_again(
    name: str, damages: list[Damage], told: str, kept: Path, command: Command, fault: Fault
) -> None:
    path = files(kept, name)[0]
    content = path.read_bytes()
    for damage in damages:
        restored(path, content)
        damage(path)
        assert f"{path}: {told}" in command("verify").out

    ran = command("run", "small")

    assert f"{path}: {told}" in ran.err
    assert ran.status == 0
    assert path.is_file()
    assert_all_whole(kept)
    fault.said(f"{path.relative_to(kept)}: {told}")


@pytest.mark.fault(9)
@pytest.mark.parametrize("finished", ["timeseries"], indirect=True)
def test_weights_with_a_flipped_bit_are_never_parsed(
    kept: Path, command: Command, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Those of training where a stage needs them, those of the champion where it is asked."""
    (trained,), (served,) = files(kept, "train/??/*/weights.npz"), files(kept, "registry/small/bundles/*/model.keras")
    digest, read, found = digest_of_file(trained), saved_network.read, set()

    def read_and_note(folder: Path) -> object:
        found.add(digest_of_file(folder / trained.name))
        return read(folder)

    for path in (trained, served):
        flip(path)

    with monkeypatch.context() as patch:
        patch.setattr("keras.models.load_model", lambda *_, **__: pytest.fail("the champion was parsed"))
        refused = the_error(command("predict", "small"))
    monkeypatch.setattr(saved_network, "read", read_and_note)
    ran = command("run", "small", "--set", "evaluate.anomaly_level=0.98")

    assert f"{served}: {ALTERED}" in refused
    assert (ran.status, found) == (0, {digest}), ran.err
    fault.said(refused.replace(f"{kept}/", ""))


@pytest.mark.fault(7)
@pytest.mark.fault(8)
@pytest.mark.fault(9)
@pytest.mark.fault(11)
def test_what_is_damaged_is_put_aside_and_made_again(kept: Path, command: Command, fault: Fault) -> None:
    for damage in DAMAGES if fault.full else DAMAGES[:1]:
        artifacts = sorted(kept.glob("*/??/*"))
        for artifact in artifacts:
            damage(max(files(artifact, "**/*"), key=lambda path: path.stat().st_size))

        ran = command("run", "small")

        assert ran.status == 0, ran.err
        assert_all_whole(kept)
        assert sorted(kept.glob("*/??/*")) == artifacts
        assert len(list((kept / "quarantine").iterdir())) == len(artifacts)
        shutil.rmtree(kept / "quarantine")
        fault.tried(len(artifacts))


@pytest.mark.fault(7)
@pytest.mark.parametrize("finished", DOMAINS if Fault.full else DOMAINS[:1], indirect=True)
def test_damage_to_what_is_no_artifact_stops_nothing(kept: Path, command: Command, fault: Fault) -> None:
    """Run records, what is remembered of files, curves and pages."""
    kinds = ("runs/**/*", "memo/*", "logs/**/*", "reports/*")
    answer = command("predict", "small").out
    for path in files(kept, *kinds):
        content = path.read_bytes()
        for damage in DAMAGES:
            damage(path)
            assert command("plan", "small").status == 0
            restored(path, content)
    for path in files(kept, *kinds):
        make_folder(path)

    ran = command("run", "small")

    assert (ran.status, command("predict", "small").out) == (0, answer), ran.err
    fault.tried(len(DAMAGES))

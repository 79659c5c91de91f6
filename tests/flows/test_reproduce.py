"""A version is trained again from its own data, whatever the data, the settings and the store are today."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conftest import ONE_BASELINE
from gristmill.domains.timeseries.retraining import SeriesRetraining
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.retraining.example_diff import diff_rows
from gristmill.util import sealed_json
from helpers.support import Command, edit, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

NETWORK = 'kind = "dense"\nunits = [4]\n\n[pipelines.small.train]\nepochs = 2\nbatch_size = 256'


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a network as version 1, other data and settings as version 2, and no artifact but their data."""
    folder = tmp_path_factory.mktemp("two")
    write_project(folder, ONE_BASELINE)
    edit(folder / "pipelines.toml", 'kind = "linear"', NETWORK)
    Project.open(folder).run("small")
    Project.open(folder).promote("small")
    lines = (folder / "series.csv").read_text().splitlines()
    (folder / "series.csv").write_text("\n".join([*lines[:5], f"{lines[5]}9", *lines[6:-10]]) + "\n")
    edit(folder / "pipelines.toml", NETWORK, 'kind = "linear"')
    Project.open(folder).run("small")
    Project.open(folder).promote("small")
    shutil.rmtree(folder / "data/store/runs")
    for stage in ("preprocess", "train", "evaluate", "export"):
        shutil.rmtree(folder / "data/store" / stage)
    return folder


@pytest.fixture
def later(two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, which is the current folder of the test."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(two_versions, tmp_path, dirs_exist_ok=True))


def content(project: Path) -> dict[str, bytes]:
    files = (path for path in (project / "data/store").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if "memo" not in path.parts and "locks" not in path.parts}


@pytest.mark.slow
def test_a_version_is_trained_again_bit_for_bit_and_nothing_is_left_of_it(later: Path, command: Command) -> None:
    before = content(later)

    said = command("retrain", "small", "--as-of", "v1")

    version = Registry(Project.open(later).store).version("small", 1)
    digest = version.references["train"]["digest"][:12]
    assert said.out == f"small: same weights as version 1 (digest {digest}, expected {digest})\n"
    assert (said.status, "epoch 2 of 2" in said.err) == (0, True)  # not taken from the store
    assert content(later) == before


@pytest.mark.slow
def test_what_has_changed_since_a_version_is_named(later: Path, command: Command) -> None:
    file = later / "data/store/registry/small/versions/000001.json"
    document = json.loads(file.read_text())
    document["versions"]["keras"] = "3.0"
    document["code"]["gristmill.training.fit"] = "00"
    document["settings"]["train"]["epochs"] = 1  # stands for what changed code does
    registry = Registry(Project.open(later).store)
    changed = registry.version("small", 1).model_validate(document)
    file.write_text(sealed_json.to_text(changed))

    said = command("-q", "retrain", "small", "--as-of", "1", "--json")

    assert said.status == 3
    assert said.json["same"] is False
    assert said.json["other_results"] == ["train"]
    code, library = said.json["causes"]
    assert code == "code gristmill/training/fit.py"
    assert library.startswith("keras 3.0 → 3.")


@pytest.mark.slow
def test_a_version_whose_data_is_gone_and_settings_of_today_are_refused(later: Path, command: Command) -> None:
    said = command("retrain", "small", "--as-of", "1", "--set", "train.epochs=3")
    assert said.status == 2
    assert said.err == "error: --set train.epochs=3: --as-of uses the settings of version 1. Leave out one.\n"
    said = command("retrain", "small", "--as-of", "7")
    assert (said.status, said.err) == (2, "error: pipeline 'small' has no version 7. Known: v2, v1.\n")
    for artifact in later.glob("data/store/ingest/??/*"):
        artifact.rename(later / artifact.name)
    assert "Without this data, version 1 of small can be neither trained" in command("diff", "small", "1", "2").err


@pytest.mark.slow
def test_after_an_error_nothing_is_left(later: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RequestError("no")

    monkeypatch.setattr("gristmill.flows.reproduce.compare_with_version", fail)

    assert command("retrain", "small", "--as-of", "1").status == 2
    assert not list(later.glob("data/store/scratch/*"))


def test_the_rows_that_differ_between_two_versions_are_shown(later: Path, command: Command) -> None:
    said = command("diff", "small", "1", "2")

    assert said.status == 0
    first, heading, *rows, last = said.out.splitlines()
    assert first == "small: 0 added, 1 changed, 10 lost from version 1 to version 2"
    assert heading.split() == ["rows", "ds", "unique_id", "values"]
    assert rows[0].split()[0] == "changed"
    assert rows[0].endswith("sunspots 85 → 85.09")
    assert [row.split()[0] for row in rows[1:]] == ["lost"] * 5
    assert last == "The first 5 of each kind are shown; all: gristmill diff small 1 2 --json"
    assert all(len(line) <= 80 for line in said.out.splitlines())
    document = command("diff", "small", "1", "2", "--json").json
    assert (document["lost"], len(document["rows"])) == (10, 11)
    assert document["rows"][-1]["change"] in ("changed", "lost")
    assert document["not_compared"] == {}
    assert command("diff", "small", "2", "2").out == "small: 0 added, 0 changed, 0 lost from version 2 to version 2\n"


def test_columns_that_cannot_be_compared_are_named(
    later: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diff(self: SeriesRetraining, now: Path, before: Path) -> pd.DataFrame:
        return diff_rows(pd.DataFrame({"change": ["a"], "z": 1}), pd.DataFrame({"change": ["b"], "y": 1}), ["change"])

    monkeypatch.setattr(SeriesRetraining, "diff", diff)

    unused = {"z": "only version 2", "y": "only version 1"}
    assert command("diff", "small", "1", "2").out.splitlines()[:2] == [
        "small: 1 added, 0 changed, 1 lost from version 1 to version 2",
        "not compared: z (only version 2), y (only version 1)",
    ]
    document = command("diff", "small", "1", "2", "--json").json
    assert document["not_compared"] == unused
    assert document["rows"][0] == {"change": "added", "row": {"change": "a"}}

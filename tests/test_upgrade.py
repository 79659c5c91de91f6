"""Stores of earlier releases: each champion predicts the same numbers, is served, retrained and promoted again."""

import re
import tarfile
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT
from gristmill.config.catalogue import restore_settings
from gristmill.project.project import Project
from gristmill.registry.version import Version
from gristmill.runs.records import Runs
from gristmill.util import sealed_json
from helpers.model_servers import served
from helpers.small_photos import write_photos
from helpers.support import Command, the_error

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.fault(40)

STORES = ROOT / "tests/released"
RELEASES = sorted(path.name.removesuffix(".tar.xz") for path in STORES.glob("*.tar.xz"))
WITHOUT_EMPTY_CELLS = ["0.1.0", "0.2.0"]  # releases whose models of tables cannot read empty cells
PREDICTED = {"spots": "spots", "houses": "predicted", "films": "p_1", "shapes": "p_disc"}  # columns of numbers
REQUESTS = {"spots": "spots.csv", "houses": "houses.csv", "films": "films.csv", "shapes": "photos/disc/0000.jpg"}

NEW_ROW = {
    "spots": lambda row: [str(pd.Timestamp(row[0]) + pd.DateOffset(months=150))[:10], row[1]],
    "houses": lambda row: [f"{row[0]}.5", row[1], str(int(row[2]) + 1)],
    "films": lambda row: [row[0].replace("the ", "one ").replace("a ", "this ").replace("so ", "how "), row[1]],
}
"""Functions that turn a row into a new one, by pipeline."""


@pytest.fixture(params=RELEASES)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of a release with its champions; the current folder of the test."""
    with tarfile.open(STORES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    toml = tmp_path / "pipelines.toml"
    toml.write_text(toml.read_text().replace('"regression"', '"tabular"'))  # the name of the domain in 0.1.0
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_release_has_a_store() -> None:
    released = re.findall(r"^## \[(\d.*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sorted(released) == RELEASES, "run tests/released/write_store.py, as its README says"


def test_the_settings_of_runs_and_versions_are_read(upgraded: Path) -> None:
    project = Project.open()
    for name, pipeline in project.catalogue.pipelines.items():
        (version,), (record,) = project.registry.versions(name), Runs(project.store).newest_first(name)
        assert version.domain == record.domain == pipeline.domain
        for settings in (version.settings, record.settings):
            assert restore_settings(pipeline.domain, settings).keys() == pipeline.tables.keys()


def predict_again(name: str, column: str, command: Command) -> None:
    """Predict from the source, and compare with the numbers that the release predicted."""
    assert command("predict", name, "--output", "again.csv").status == 0
    again, before = pd.read_csv("again.csv"), pd.read_csv(f"{name}.predicted")
    if "predicted" not in before:
        before = before.rename(columns={"price": "predicted"})  # its name in 0.1.0
    shared = before.select_dtypes("number").columns.intersection(again.columns)
    assert column in shared
    pd.testing.assert_frame_equal(again[shared], before[shared], rtol=1e-4, check_dtype=False)


def test_a_champion_predicts_the_same_numbers(upgraded: Path, command: Command) -> None:
    predict_again("houses", PREDICTED["houses"], command)


@pytest.mark.slow
def test_each_champion_predicts_the_same_numbers_and_can_be_promoted(upgraded: Path, command: Command) -> None:
    for name, column in PREDICTED.items():
        predict_again(name, column, command)

    assert command("generate", "lines", "--length", "40", "--seed", "7").out == Path("lines.predicted").read_text()
    for name in (*PREDICTED, "lines"):
        assert command("promote", name, "1").status == 0
    verified = command("verify")
    assert verified.status == 0
    assert verified.out.endswith("5 bundles, 5 versions verified, 0 damaged.\n")


@pytest.mark.parametrize("upgraded", WITHOUT_EMPTY_CELLS, indirect=True)
def test_a_model_that_was_trained_without_empty_cells_refuses_them(upgraded: Path, command: Command) -> None:
    Path("new.csv").write_text("area,town\n50,Ulm\n,Bonn\n")

    refused = command("predict", "houses", "--input", "new.csv")

    assert (refused.status, refused.out) == (1, "")
    assert "new.csv row 3: column 'area' is empty (1 of 2 rows have an empty cell)" in the_error(refused)


@pytest.mark.parametrize("upgraded", WITHOUT_EMPTY_CELLS, indirect=True)
def test_a_model_that_dropped_rows_with_empty_cells_has_no_prediction_for_them(
    upgraded: Path, command: Command
) -> None:
    (file,) = upgraded.glob("data/store/registry/houses/versions/*1.json")
    version = sealed_json.read(file, Version)
    version.settings["ingest"]["missing"] = "drop"
    file.write_text(sealed_json.to_text(version))
    Path("new.csv").write_text("area,town\n50,Ulm\n,Bonn\n60,\n")

    predicted = command("predict", "houses", "--input", "new.csv")

    assert predicted.status == 0
    assert pd.read_csv(StringIO(predicted.out))["predicted"].isna().tolist() == [False, True, True]
    assert "2 of 3 rows have an empty cell and no prediction" in predicted.err


@pytest.mark.slow
def test_each_champion_is_served_over_http(upgraded: Path) -> None:
    with served(Project.open(), *REQUESTS, "lines") as server:
        for name, file in REQUESTS.items():
            answer = server.client.put(f"/predict/{name}/{Path(file).name}", content=Path(file).read_bytes())
            assert answer.status_code == 200, answer.text
            assert (answer.json()["version"], bool(answer.json()["predictions"])) == (1, True)
        assert server.predict("lines", b'{"prompt": "the ", "length": 3}')["text"].startswith("the ")


def add_data(name: str) -> None:
    """Append to the data of a pipeline what a retraining can learn from."""
    if name == "shapes":
        write_photos(Path("more"), ["disc", "square"], 12, seed=1)
        for path in Path("more").glob("*/*.jpg"):
            path.rename(f"photos/{path.parent.name}/more-{path.name}")
    elif name == "lines":
        Path("lines.txt").write_text(Path("lines.txt").read_text() + "a cat sat on the dog.\n" * 8)
    else:
        table = Path(f"{name}.csv")
        rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
        table.write_text(table.read_text() + "".join(f"{','.join(NEW_ROW[name](row))}\n" for row in rows))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PREDICTED, "lines"])
def test_each_champion_is_judged_by_a_retraining(upgraded: Path, command: Command, prefect_api: str, name: str) -> None:
    add_data(name)
    retrained = command("retrain", name, "--set", f"gate.window={8 if name == 'spots' else 1}")
    assert retrained.status in (0, 3), retrained.err  # promoted, or rejected
    (record, _) = Runs(Project.open().store).newest_first(name)
    assert record.retraining
    assert record.retraining.judgement, retrained.out
    assert "champion" in dict(record.retraining.judgement.rows)

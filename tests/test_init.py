"""`gristmill init` in a fresh folder: a project that runs as it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Command

from gristmill.project import Project

pytest_plugins = ["end_to_end"]

NILE = "package://statsmodels/datasets/nile/nile.csv"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it; the current folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_found_and_guessed_is_said_with_the_next_command(command: Command, here: Path) -> None:
    said = command("init", "my project", "--domain", "timeseries", "--data", NILE)

    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "volume of nile.csv: 100 rows of 2 columns"
    assert 'ingest.time            "year"    from 1871 to 1970' in lines
    assert lines[-2:] == [
        "written  my project/pipelines.toml, with each guess explained: change what is wrong",
        "next     cd 'my project' && gristmill run nile",
    ]
    assert Project.open(here / "my project").catalogue.pipeline("nile").domain == "timeseries"


def test_a_project_that_is_there_is_kept(command: Command, here: Path) -> None:
    (here / "pipelines.toml").write_text("mine")
    said = command("init", ".", "--domain", "timeseries", "--data", NILE)

    assert (said.status, said.out) == (2, "")
    assert said.err == "error: pipelines.toml is there already, and is kept. Name another folder, or edit it.\n"
    assert (here / "pipelines.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 2, "--domain: missing. Known: regression, text, timeseries, vision."),
        (
            ["--domain", "visoin"],
            2,
            "--domain: unknown domain 'visoin'. Did you mean 'vision'? Known: regression, text, ",
        ),
        (["--domain", "text"], 2, "--data: missing. Name the file or the folder to learn from."),
        (["--domain", "text", "--data", "none.csv"], 1, "--data: no such file '"),
        (["--domain", "text", "--data", "https://example.org/a.csv"], 1, "Fetch it, and give its path."),
        (["--domain", "timeseries", "--data", NILE, "--name", "a b"], 2, "--name a b: a pipeline's name has only"),
        (
            ["--domain", "timeseries", "--data", NILE, "--target", "flow"],
            1,
            "no column 'flow'. Columns: 'year', 'volume'.",
        ),
        (["--domain", "text", "--data", NILE], 1, "no column of texts among 'year', 'volume'"),
        (["--domain", "vision", "--data", NILE], 1, "no column 'label'"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line_and_writes_nothing(
    command: Command, here: Path, words: list[str], status: int, told: str
) -> None:
    said = command("init", "new", *words)

    assert (said.status, said.out) == (status, "")
    assert said.err.startswith("error: ")
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not (here / "new").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_series_of_statsmodels_runs_with_no_editing(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("init", "river", "--domain", "timeseries", "--data", NILE).status == 0
    monkeypatch.chdir("river")
    said = command("run", "nile")

    assert said.status == 0, said.err
    assert said.out.index("\nmodel ") < said.out.index("\nnaive ")
    assert command("run", "nile").out == "nile: all fresh, nothing to do\n"


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_folder_of_photos_runs_with_no_editing(command: Command, here: Path) -> None:
    random = np.random.default_rng(6)
    for name, level in (("dark", 60), ("light", 190)):
        (here / "photos" / name).mkdir(parents=True)
        for at in range(12):
            pixels = random.integers(level - 60, level + 60, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(here / "photos" / name / f"{at}.png")
    assert command("init", ".", "--domain", "vision", "--data", "photos").status == 0
    said = command("run", "photos", "--set", "train.epochs=2")

    assert said.status == 0, said.err
    assert said.out.index("\nmodel ") < said.out.index("\nmajority ")

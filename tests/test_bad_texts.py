"""Texts and settings that nothing can be learned from, and requests that no model answers: one line, nothing lost."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.small_writers import TEXT
from helpers.support import Command, edit

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("prefect_api")

TOML = """
[pipelines.films]
domain = "text"
source = { kind = "csv", path = "films.csv" }
ingest = { max_characters = 40 }
preprocess = { length = 4 }
model = { kind = "embedding", dimensions = 2, units = [] }
train = { epochs = 1 }

[pipelines.writer]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { length = 10 }
model = { kind = "gru", dimensions = 2, recurrent = [4] }
train = { epochs = 1 }
"""
NOUNS = ("film", "plot", "cast", "end", "song", "scene", "joke", "star")
ROWS = [f"{kind} {noun},{label}" for noun in NOUNS for kind, label in (("lovely", "good"), ("boring", "dull"))]


def write_films(project: Path, *rows: str, header: str = "text,label") -> None:
    (project / "films.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a classifier and a writer; the current folder of the test."""
    (tmp_path / "pipelines.toml").write_text(TOML)
    (tmp_path / "text.txt").write_text(TEXT)
    write_films(tmp_path, *ROWS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_empty(project: Path) -> None:
    write_films(project, *ROWS, ",good", "   ,dull")


def one_too_long(project: Path) -> None:
    write_films(project, ROWS[0], f"{'so ' * 20}bad,dull", *ROWS[1:])


def one_word(project: Path) -> None:
    write_films(project, *(f"film{'!' * at},{('good', 'dull')[at % 2]}" for at in range(12)))


def setting(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Return an edit of `pipelines.toml`."""

    def change(project: Path) -> None:
        edit(project / "pipelines.toml", before, after)

    change.__name__ = name  # of the test
    return change


def short(project: Path) -> None:
    (project / "text.txt").write_text("To be, or not to be.\n")


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("pipeline", "change", "status", "message"),
    [
        (
            "films",
            one_empty,
            1,
            "{folder}/films.csv row 18: column 'text' is empty (2 of 18 rows have no text or no label). "
            "Fill it, or set ingest.missing = 'drop'.",
        ),
        (
            "films",
            one_too_long,
            1,
            "{folder}/films.csv row 3: column 'text' has 63 characters, more than ingest.max_characters = 40 "
            "(1 such text). Shorten it, or set ingest.max_characters higher.",
        ),
        (
            "films",
            one_word,
            1,
            "the training texts contain only one token, 'film', with preprocess.level = 'word', vocabulary = 30000 and "
            "punctuation = 'strip'. Expected at least two: add texts or change these settings.",
        ),
        (
            "writer",
            short,
            1,
            "the validation set has 1 characters. Expected more than preprocess.length = 10. Add text, or set a "
            "smaller preprocess.length or a larger preprocess.validation.",
        ),
        (
            "writer",
            setting("bidirectional", 'kind = "gru"', 'kind = "gru", bidirectional = true'),
            2,
            'with preprocess.examples = "windows", model.bidirectional would read the tokens that the network must '
            'predict. Set it to false, or examples = "prefixes".',
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_learned_from_is_one_line(
    pipeline: str, change: Callable[[Path], None], status: int, message: str, project: Path, command: Command
) -> None:
    change(project)

    said = command("-q", "run", pipeline)

    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert (said.status, errors) == (status, [f"error: {message.format(folder=project)}"])
    assert not list((project / "data/store").glob("export/??/*"))


@pytest.mark.parametrize("module", ["sentencepiece", "tensorflow_text"])
def test_subwords_whose_extra_is_missing_are_told_before_the_first_stage(
    module: str, project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    said = command("-q", "run", "films", "--set", "preprocess.level=subword")

    assert (said.status, said.err) == (
        2,
        f"error: preprocess.level: 'subword' needs {module}, which is not installed. "
        "Run: pip install 'gristmill[subwords]'.\n",
    )
    assert not list((project / "data/store").glob("*/??/*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("generate", "films", "--prompt", "a"),
            "films is a text pipeline, whose model generates no text. Pipelines that do: writer.",
        ),
        (("generate", "writer"), "pipeline 'writer' has no successful run yet. Run: gristmill run writer."),
        (("predict", "films", "--text", "a"), "pipeline 'films' has no successful run yet. Run: gristmill run films."),
    ],
)
def test_what_no_model_can_answer_yet_is_one_line(
    words: tuple[str, ...], message: str, project: Path, command: Command
) -> None:
    said = command(*words)

    assert (said.status, said.out, said.err) == (2, "", f"error: {message}\n")


@pytest.fixture
def films(finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project of a classifier; the current folder of the test."""
    folder = Path(shutil.copytree(finished_project("text"), tmp_path / "films", symlinks=True))
    monkeypatch.chdir(folder)
    return folder


def test_what_cannot_be_classified_is_one_line(films: Path, command: Command) -> None:
    (films / "new.csv").write_text("review,stars\na lovely film,good\na film,godo\n")

    said = command("predict", "films", "--input", "new.csv")

    assert (said.status, said.out, said.err) == (
        1,
        "",
        f"error: {films}/new.csv row 3, column 'stars': unknown label 'godo'. Did you mean 'good'? "
        "Known: dull, good. 1 such row. The model cannot predict it: correct it, or leave the column out.\n",
    )


def test_a_request_that_makes_no_sense_is_one_line(films: Path, command: Command) -> None:
    said = command("predict", "films", "--steps", "2")

    assert (said.status, said.out, said.err) == (
        2,
        "",
        "error: --steps: a text pipeline does not have this option. Leave it out.\n",
    )

"""Texts and settings that nothing can be learned from, and requests that no model answers: one line, nothing lost."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.project.project import Project
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


def all_empty(project: Path) -> None:
    write_films(project, ",good", ",dull")


def one_label(project: Path) -> None:
    write_films(project, *ROWS[::2])


def one_text_of_a_class(project: Path) -> None:
    write_films(project, *ROWS, "a strange thing,odd")


def one_line_in_latin_1(project: Path) -> None:
    rows = "\n".join(["text,label", *ROWS, "naïve,good"]) + "\n"
    (project / "films.csv").write_bytes(rows.encode("latin-1"))


def one_too_long(project: Path) -> None:
    write_films(project, ROWS[0], f"{'so ' * 20}bad,dull", *ROWS[1:])


def other_header(project: Path) -> None:
    write_films(project, *ROWS, header="review,label")


def one_word(project: Path) -> None:
    write_films(project, *(["film,good", "film,dull"] * 6))


def punctuation(project: Path) -> None:
    write_films(project, *(["...,good", "?!,dull"] * 6))


def another_part(project: Path) -> None:
    write_films(project, *(f"{row},train" for row in ROWS), "an odd one,good,dev", header="text,label,part")
    edit(project / "pipelines.toml", "max_characters = 40", 'max_characters = 40, part = "part"')


def setting(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Return an edit of `pipelines.toml`."""

    def change(project: Path) -> None:
        edit(project / "pipelines.toml", before, after)

    change.__name__ = name  # of the test
    return change


def short(project: Path) -> None:
    (project / "text.txt").write_text("To be, or not to be.\n")


def blank(project: Path) -> None:
    (project / "text.txt").write_text(" \n\n")


def not_utf_8(project: Path) -> None:
    (project / "text.txt").write_bytes(b"To be\nor n\xf6t\n")


def one_character(project: Path) -> None:
    (project / "text.txt").write_text("a" * 400)


def one_word_a_line(project: Path) -> None:
    (project / "text.txt").write_text("be\nnot\n" * 40)
    edit(project / "pipelines.toml", "length = 10", 'level = "word", examples = "prefixes"')


@pytest.mark.fault(24)
@pytest.mark.slow
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
            all_empty,
            1,
            "{folder}/films.csv row 2: column 'text' is empty (2 of 2 rows have no text or no label). "
            "Fill it, or set ingest.missing = 'drop'.",
        ),
        (
            "films",
            one_label,
            1,
            "all 8 texts are of one class, 'good': there is nothing to tell apart. Add texts of another class.",
        ),
        (
            "films",
            one_text_of_a_class,
            1,
            "class 'odd' has one text, but needs one to train on and another to test on. "
            "Add texts, or leave the class out.",
        ),
        ("films", one_line_in_latin_1, 1, "{folder}/films.csv row 18: not utf-8. Set the source's encoding."),
        (
            "films",
            one_too_long,
            1,
            "{folder}/films.csv row 3: column 'text' has 63 characters, more than ingest.max_characters = 40 "
            "(1 such text). Shorten it, or set ingest.max_characters higher.",
        ),
        ("films", other_header, 1, "{folder}/films.csv: no column 'text'. Columns: 'review', 'label'."),
        (
            "films",
            one_word,
            1,
            "the training texts contain only one token, 'film', with preprocess.level = 'word', vocabulary = 10000 and "
            "punctuation = 'strip'. Expected at least two: add texts or change these settings.",
        ),
        (
            "films",
            punctuation,
            1,
            "the training texts contain no token with preprocess.level = 'word', vocabulary = 10000 and "
            "punctuation = 'strip'. Expected at least two: add texts or change these settings.",
        ),
        (
            "films",
            setting("vocabulary", "length = 4", "length = 4, vocabulary = 2"),
            2,
            "pipelines.toml [pipelines.films.preprocess] vocabulary: expected greater than or equal to 3. "
            "Received: 2 (integer).",
        ),
        (
            "films",
            another_part,
            1,
            "{folder}/films.csv row 18, column 'part': 'dev'. Expected one of train, validation, valid, val, test.",
        ),
        (
            "writer",
            short,
            1,
            "the validation part has 1 characters, fewer than a window: preprocess.length = 10 and the one that "
            "follows. Add text, or set a smaller preprocess.length or a larger preprocess.validation.",
        ),
        ("writer", blank, 1, "{folder}/text.txt: holds no text. Fill it, or leave it out."),
        ("writer", not_utf_8, 1, "{folder}/text.txt line 2: not utf-8. Set the source's encoding."),
        (
            "writer",
            one_character,
            1,
            "the training texts contain only one token, 'a', with preprocess.level = 'character', vocabulary = 10000 "
            "and punctuation = 'separate'. Expected at least two: add texts or change these settings.",
        ),
        (
            "writer",
            one_word_a_line,
            1,
            "the train part has no line of two words or more: none could be told by those before it. "
            "Add text, or set smaller preprocess.validation and preprocess.test.",
        ),
        (
            "writer",
            setting("bidirectional", 'kind = "gru"', 'kind = "gru", bidirectional = true'),
            2,
            'with preprocess.examples = "windows", model.bidirectional would read the tokens that the network must '
            'predict. Set it to false, or examples = "prefixes".',
        ),
        (
            "writer",
            setting("shares", "length = 10", "length = 10, validation = 0.5, test = 0.5"),
            2,
            "preprocess.validation = 0.5 and preprocess.test = 0.5 leave no text to train on. Set smaller shares.",
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Path:
    """The store of a project whose classifier has run. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "pipelines.toml").write_text(TOML)
    write_films(folder, *ROWS)
    Project.open(folder).run("films")
    return folder / "data/store"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "new.csv",
            "text,label\na lovely film,good\na film,godo\n",
            "{folder}/new.csv row 3, column 'label': unknown label 'godo'. Did you mean 'good'? Known: dull, good. "
            "1 such row. The model cannot give it: correct it, or leave the column out.",
        ),
        (
            "new.csv",
            "text\nso lovely\n   \n",
            "{folder}/new.csv row 3: column 'text' is empty (1 of 2 rows have no text). Fill it, or leave the row out.",
        ),
        ("new.csv", "review\nso lovely\n", "{folder}/new.csv: no column 'text'. Columns: 'review'."),
        (
            "new.jsonl",
            json.dumps({"text": "so " * 20}),
            "{folder}/new.jsonl row 1: column 'text' has 60 characters, more than ingest.max_characters = 40 "
            "(1 such text). Cut it.",
        ),
        ("new.txt", "na\xefve".encode("latin-1"), "{folder}/new.txt line 1: not utf-8. Set the source's encoding."),
        ("new.txt", " \n", "{folder}/new.txt: each of the 1 rows has no text. Fill them."),
    ],
    ids=["unknown label", "empty", "unknown column", "too long", "not utf-8", "blank file"],
)
def test_what_cannot_be_classified_is_one_line(
    file: str, content: str | bytes, message: str, project: Path, finished: Path, command: Command
) -> None:
    shutil.copytree(finished, project / "data/store")
    (project / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    said = command("predict", "films", "--input", file)

    assert (said.status, said.out, said.err) == (1, "", f"error: {message.format(folder=project)}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--text", "  "), "--text: it is empty. Give a text to classify."),
        (("--text", "a", "--input", "films.csv"), "--text: cannot be combined with --input. Use one of them."),
        (("--steps", "2"), "--steps: a text pipeline does not have this option. Leave it out."),
    ],
)
def test_a_request_that_makes_no_sense_is_one_line(
    words: tuple[str, ...], message: str, project: Path, finished: Path, command: Command
) -> None:
    shutil.copytree(finished, project / "data/store")

    said = command("predict", "films", *words)

    assert (said.status, said.out, said.err) == (2, "", f"error: {message}\n")

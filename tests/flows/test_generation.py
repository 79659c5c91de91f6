"""The generation flow, end to end: plain text becomes a network that writes, by characters and by lines of words."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.project.project import Project
from helpers.small_writers import TEXT
from helpers.support import Command, planned, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

HEADLINE = {"letters": "bits_per_character", "lines": "bits_per_token"}


@pytest.fixture
def project(finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project; the current folder of the test."""
    shutil.copytree(finished_project("generation"), tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADLINE)
def test_a_text_becomes_a_scored_bundle_and_a_report_and_nothing_is_done_twice(
    name: str, project: Path, command: Command
) -> None:
    opened = Project.open()
    result = opened.result(name)
    record, scores, bundle = result.record, result.evaluation, result.bundle

    assert list(record.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
    assert opened.store.open_verified(record.references["ingest"]).counts == {"documents": 1, "characters": len(TEXT)}
    assert scores["headline"]["metric"] == HEADLINE[name]
    assert set(scores["baselines"]) == {"unigram", "bigram"}
    assert 0 < scores["headline"]["baseline"] <= scores["baselines"]["unigram"]["test"][HEADLINE[name]]
    assert {path.name for path in bundle.iterdir()} >= {"saved_model", "signature.json", "scores.json"}
    page = result.report.read_text()
    shown = ("Scores", "Samples", "Bits along the test set", "Training", "Network", "Data")
    assert [heading for heading in shown if f"<h2>{heading}" not in page] == []

    again = command("run", name)

    assert (again.status, again.out, again.err) == (0, f"{name}: all fresh, nothing to do\n", "")
    assert len(records(project, name)) == 1


def test_an_edit_runs_what_depends_on_it_and_no_more(project: Path) -> None:
    def would_run(*assignments: str) -> set[str]:
        return set(planned(Project.open(overrides={"letters": list(assignments)}).plan("letters")))

    assert would_run("preprocess.lower=true") == {"preprocess", "train", "evaluate", "export"}
    assert would_run("train.learning_rate=0.01") == {"train", "evaluate", "export"}
    assert would_run("evaluate.temperatures=[0.5]") == {"evaluate", "export"}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADLINE)
def test_the_same_seed_writes_the_same_and_what_the_bundle_writes_by_itself(
    name: str, project: Path, command: Command
) -> None:
    import tensorflow as tf

    def written(*words: str) -> str:
        said = command("-q", "generate", name, "--prompt", "the cat", "--length", "12", *words)
        assert (said.status, said.err) == (0, "")
        return said.out

    first = written("--seed", "5")

    assert first.startswith("the cat")
    assert written("--seed", "5") == first
    assert len({first, *(written("--seed", str(seed), "--temperature", "2") for seed in (6, 7))}) > 1
    assert written("--seed", "5", "--temperature", "0") == written("--seed", "6", "--temperature", "0")
    pieces = list(Project.open().generate(name, "the cat", length=12, seed=5))
    assert len(pieces) > 3  # the prompt, then what is shown as it comes
    assert "".join(pieces) + "\n" == first
    bundle = Project.open().result(name).bundle
    serve = tf.saved_model.load(str(bundle / "saved_model"))
    numbers = {"length": 12, "temperature": 0.8, "top_k": 0, "top_p": 1.0}
    given = {key: tf.constant(value) for key, value in numbers.items()} | {"seed": tf.constant(5, tf.int64)}
    whole = serve.signatures["serving_default"](prompt=tf.constant(["the cat"]), **given)["text"].numpy()[0].decode()
    assert whole + "\n" == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("letters", "--length", "0"), "--length 0: expected the number of tokens, 1 or more."),
        (
            ("letters", "--temperature", "-1"),
            "--temperature -1: expected 0, for the most probable token each time, or more.",
        ),
        (("letters", "--top-k", "-1"), "--top-k -1: expected the number of tokens to draw from, or 0 for all."),
        (("letters", "--top-p", "0"), "--top-p 0: expected a probability above 0, 1 for all tokens."),
        (
            ("lines", "--prompt", "?!"),
            "--prompt '?!' contains no word, and this model needs at least one. Give it the beginning of a text.",
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_written_by_is_one_line(
    words: tuple[str, ...], message: str, project: Path, command: Command
) -> None:
    said = command("-q", "generate", *words)

    assert (said.status, said.out, said.err) == (2, "", f"error: {message}\n")


def test_what_the_model_never_read_is_told_and_written_on_from(project: Path, command: Command) -> None:
    said = command("-q", "generate", "letters", "--prompt", "Ça", "--length", "2")

    assert said.status == 0
    assert said.err == (
        "warning: --prompt: the model does not know the characters 'Ç' and reads them as unknown tokens\n"
    )
    assert said.out.startswith("Ça")


def test_a_model_that_writes_classifies_nothing(project: Path, command: Command) -> None:
    said = command("predict", "letters", "--text", "the cat")

    assert (said.status, said.out, said.err) == (
        2,
        "",
        "error: letters is a generation pipeline, whose model generates text. Run: gristmill generate letters.\n",
    )

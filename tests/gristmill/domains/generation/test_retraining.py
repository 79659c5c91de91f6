"""What was added to a text, how many bits the champion takes for it, and who takes the fewest."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.generation import dataset, retraining
from gristmill.domains.generation.dataset import pieces
from gristmill.domains.generation.evaluate import evaluate
from gristmill.domains.generation.preprocess import preprocess
from gristmill.domains.generation.retraining import RETRAINING
from gristmill.domains.generation.settings import Preprocess
from gristmill.errors import RequestError
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Champion, DataChanges
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.eager import eagerly
from helpers.small_writers import EVALUATE, LENGTH, Folders, write_network

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["the cat", "a dog", "the mouse", "a bird", "no cow"]
VERBS = ["sat.", "ran off.", "ate a lot."]
LINES = [f"{who} {what}" for what, who in itertools.product(VERBS, WORDS)] * 20  # 300


def ingested(folder: Path, *documents: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    texts = ["\n".join(lines) for lines in documents]
    write_table(folder / "texts.parquet", pd.DataFrame({"id": [str(at) for at in range(len(texts))], "text": texts}))
    return folder


def run(root: Path, lines: list[str], evaluated: Path | None = None, **settings: Any) -> Folders:
    """Run the stages up to evaluate, unless its folder is given; the network's weights are random."""
    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    ingested(folders["ingest"], lines)
    cut = Preprocess(**{"length": LENGTH, "validation": 0.1, "test": 0.2} | settings)
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    write_network(folders)
    if evaluated:
        return folders | {"evaluate": evaluated}
    short = EVALUATE.model_copy(update={"order": 2, "temperatures": (1.0,), "sample": 1})
    evaluate(evaluate=short, preprocess=folders["preprocess"], train=folders["train"], out=folders["evaluate"])
    return folders


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    with eagerly():
        return run(tmp_path_factory.mktemp("champion"), LINES[:200])


@pytest.fixture(scope="module")
def challenger(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    with eagerly():
        return run(tmp_path_factory.mktemp("challenger"), LINES)


def bits_of(folders: Folders, text: str, begin: int) -> np.ndarray:
    """Return the bits of each character from a place on, told one by one as evaluate does."""
    data, model = dataset.read(folders["preprocess"]), saved_network.read(folders["train"])
    numbers = {token: number for number, token in enumerate(data.tokenizer().tokens)}
    ids = np.array([numbers[character] for character in text])
    half = LENGTH // 2
    starts = begin + (np.arange(begin, len(text)) - begin) // half * half - half - 1  # where each one's window begins
    windows = ids[np.minimum(starts[:, np.newaxis] + np.arange(LENGTH), len(ids) - 1)]
    logits = np.asarray(model(windows))[np.arange(len(windows)), np.arange(begin, len(text)) - starts - 1]
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return -np.log2(chances[np.arange(len(chances)), ids[begin:]])


@pytest.mark.slow
def test_lines_are_new_at_the_end_and_late_before_it(champion: Folders, tmp_path: Path) -> None:
    before = champion["ingest"]

    assert RETRAINING.new_rows(before, None).later == 200
    assert RETRAINING.new_rows(before, before).rows == 0
    assert RETRAINING.new_rows(ingested(tmp_path / "a", LINES[:230]), before).model_dump()["later"] == 30
    assert RETRAINING.new_rows(ingested(tmp_path / "b", LINES[:200], LINES[200:207]), before).later == 7
    longer = [*LINES[:199], f"{LINES[199]} And more.", *LINES[200:207]]  # the last line had not ended
    assert RETRAINING.new_rows(ingested(tmp_path / "longer", longer), before).model_dump()["later"] == 7
    first = RETRAINING.new_rows(ingested(tmp_path / "c", ["a new beginning", *LINES[:200]]), before)
    assert first == DataChanges(later=0, late=1)
    changed = RETRAINING.new_rows(ingested(tmp_path / "d", [*LINES[:99], "another line", *LINES[100:200]]), before)
    assert changed == DataChanges(later=0, late=1, removed=1)
    added, gone = RETRAINING.diff(tmp_path / "d", before).reset_index().to_numpy().tolist()
    assert (added, gone[0], gone[2]) == (["added", 100, "another line"], "lost", LINES[99])


@pytest.mark.slow
def test_the_champions_bits_on_what_was_added_stand_beside_those_of_its_test_part(
    champion: Folders, tmp_path: Path
) -> None:
    found = RETRAINING.drift(ingested(tmp_path / "now", LINES), Champion(champion, {}))

    text = "\n".join(LINES) + "\n"
    begin = len("\n".join(LINES[:200])) + 1
    bits = bits_of(champion, text, begin)
    lengths = [len(piece) for piece in pieces(text[begin:], 500)]
    each = [part.mean() for part in np.split(bits, np.cumsum(lengths)[:-1])]
    assert found.errors is not None
    assert found.errors.count == len(lengths)
    assert found.errors.mean == pytest.approx(np.mean(each), rel=1e-4)
    counts = dataset.read(champion["preprocess"]).layout.characters
    held_out = bits_of(champion, text[:begin], counts["train"])
    assert len(held_out) == counts["validation"] + counts["test"]
    lengths = [len(piece) for piece in pieces(text[counts["train"] : begin], 500)]
    each = [part.mean() for part in np.split(held_out, np.cumsum(lengths)[:-1])]
    assert found.errors.mean_before == pytest.approx(np.mean(each), rel=1e-4)
    assert [(column.name, column.statistic, column.alarm) for column in found.inputs] == [("unknown tokens", 0, False)]


def test_characters_that_it_never_met_are_an_alarm(
    champion: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "_PIECE_CHARACTERS", 50)  # two pieces are too few for an alarm
    found = RETRAINING.drift(
        ingested(tmp_path / "now", LINES[:200], ["ZZZZ QQQQ %%%% &&&&"] * 200), Champion(champion, {})
    )
    assert found.inputs[0].alarm


def test_of_a_text_that_has_changed_before_its_end_there_is_nothing_to_say(champion: Folders, tmp_path: Path) -> None:
    for lines in (LINES[:200], ["new", *LINES]):
        found = RETRAINING.drift(ingested(tmp_path / str(len(lines)), lines), Champion(champion, {}))
        assert (found.errors, found.inputs) == (None, [])


@pytest.mark.slow
def test_all_are_judged_on_the_same_text_that_nobody_was_trained_on(champion: Folders, challenger: Folders) -> None:

    found = RETRAINING.contest(challenger, Champion(champion, {}))

    text = "\n".join(LINES) + "\n"
    begin = len(text) - dataset.read(challenger["preprocess"]).layout.characters["test"]
    layout = dataset.read(champion["preprocess"]).layout
    assert begin > layout.characters["train"] + layout.characters["validation"]
    assert found.metric == "bits_per_character"
    for name, folders in ((CHAMPION, champion), (CHALLENGER, challenger)):
        assert found.errors[name].mean() == pytest.approx(bits_of(folders, text, begin).mean(), rel=1e-4)
    scores = read_document(challenger["evaluate"] / "scores.json")
    assert found.errors[CHALLENGER].mean() == pytest.approx(scores["model"]["test"]["bits_per_character"], rel=1e-4)
    assert set(found.errors) == {CHAMPION, CHALLENGER, *scores["baselines"]}
    for name, by_part in scores["baselines"].items():
        assert found.errors[name] == pytest.approx(by_part["test"]["bits_per_character"])
    assert {len(errors) for errors in found.errors.values()} == {len(pieces(text[begin:], 500))}
    assert RETRAINING.judgeable(challenger, Champion(champion, {})) == text[begin:].count("\n")


def test_a_challenger_with_a_larger_test_part_is_judged_beyond_what_the_champion_knows(
    champion: Folders, tmp_path: Path
) -> None:
    challenger = run(tmp_path / "challenger", LINES, champion["evaluate"], test=0.6)

    found = RETRAINING.contest(challenger, Champion(champion, {}))

    text, then = "\n".join(LINES) + "\n", "\n".join(LINES[:200]) + "\n"
    begin = len(then) - dataset.read(champion["preprocess"]).layout.characters["test"]
    assert found.errors[CHALLENGER].mean() == pytest.approx(bits_of(challenger, text, begin).mean(), rel=1e-4)


def test_without_a_champion_the_blocks_of_the_test_part_count(champion: Folders) -> None:
    found = RETRAINING.contest(champion, None)
    rows = read_table(champion["evaluate"] / "bits.parquet").query("part == 'test'")
    scores = read_document(champion["evaluate"] / "scores.json")
    assert found.metric == "bits_per_character"
    assert found.score(CHALLENGER) == pytest.approx(scores["model"]["test"]["bits_per_character"])
    assert found.score("bigram") == pytest.approx(scores["baselines"]["bigram"]["test"]["bits_per_character"])
    assert len(found.errors[CHALLENGER]) == len(rows)


@pytest.mark.parametrize(
    ("lines", "settings", "why"),
    [
        (["new", *LINES], {}, "the champion's training text has changed"),
        (
            LINES,
            {"level": "word", "vocabulary": 9},
            "the challenger's tokens differ from the other's and do not represent the whole text",
        ),
        (LINES, {"vocabulary": 12}, "20.50% of the challenger's tokens are unknown, more than 0.1%"),
        (
            LINES,
            {"level": "word", "examples": "prefixes"},
            "networks trained on prefixes of lines have no bits per character",
        ),
    ],
)
def test_models_that_cannot_be_compared_are_an_error(
    champion: Folders, tmp_path: Path, lines: list[str], settings: dict[str, Any], why: str
) -> None:
    challenger = run(tmp_path / "challenger", lines, champion["evaluate"], **settings)
    with pytest.raises(RequestError) as raised:
        RETRAINING.contest(challenger, Champion(champion, {}))
    assert str(raised.value) == (
        f"{why}: champion and challenger cannot be compared. Run the pipeline, look at its scores, and promote that "
        "run: gristmill promote NAME."
    )


@pytest.mark.slow
def test_a_text_that_has_lost_its_end_judges_nothing(challenger: Folders, tmp_path: Path) -> None:
    layout = dataset.read(challenger["preprocess"]).layout
    learned = layout.characters["train"] + layout.characters["validation"]
    text = ("\n".join(LINES) + "\n")[:learned]
    shorter = run(tmp_path / "shorter", text.splitlines(), challenger["evaluate"])
    assert RETRAINING.judgeable(shorter, Champion(challenger, {})) == 0

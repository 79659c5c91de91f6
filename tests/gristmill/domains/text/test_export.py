"""A text classifier's bundle holds the network that was scored, behind its tokenizer, and another one is refused."""

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.decision import MOST_PROBABLE
from gristmill.domains.text import export as exporting
from gristmill.domains.text.dataset import read
from gristmill.domains.text.export import export, parity_rows, signature, write_saved_model
from gristmill.domains.text.settings import Export, Preprocess
from gristmill.domains.text.text_classifier import Padding, TextClassifier
from gristmill.errors import ParityError, RequestError
from gristmill.export import bundle
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.small_judged_texts import (
    CLASSES,
    LENGTH,
    TESTED,
    Folders,
    exported,
    probabilities,
    raw_texts,
    run_to_evaluate,
    texts_of,
)
from helpers.support import KIT, here

pytest_plugins = ["helpers.end_to_end", "helpers.small_judged_texts"]

Attempt = Callable[..., Path]


@pytest.fixture
def attempt(judged: Folders, tmp_path: Path, parity_here: None) -> Attempt:
    """Return a function that changes the last scored probability by so much and exports into a folder."""

    def call(change: float = 0.0) -> Path:
        tampered, out = tmp_path / "evaluate", tmp_path / "export"
        shutil.copytree(judged["evaluate"], tampered)
        out.mkdir()
        predictions = read_table(tampered / "predictions.parquet")
        predictions.loc[predictions.index[-1], f"p_{CLASSES[0]}"] += change
        write_table(tampered / "predictions.parquet", predictions)
        assert export(export=Export(), **(judged | {"evaluate": tampered}), out=out) == {
            "formats": 1,
            "parity_texts": TESTED,
        }
        return out

    return call


@pytest.mark.slow
def test_a_bundle_holds_the_model_its_signature_the_scores_and_the_embedding(bundled: Folders) -> None:
    assert {path.name for path in bundled["export"].iterdir()} == {
        "saved_model",
        "scores.json",
        "signature.json",
        "vecs.tsv",
        "meta.tsv",
        *KIT,
    }
    assert (bundled["export"] / "vecs.tsv").read_text() == "of vecs.tsv\n"
    told = read_document(bundled["export"] / "signature.json")
    assert told == {
        "input": {
            "name": "text",
            "dtype": "string",
            "shape": [None],
            "holds": "raw UTF-8 texts; the model splits them into words and reads up to 6",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, 3],
            "columns": CLASSES,
            "holds": "probability of each class",
        },
        "classes": CLASSES,
        "level": "word",
        "length": LENGTH,
        "vocabulary": read(bundled["preprocess"]).layout.vocabulary,
        "formats": ["saved_model"],
        "signatures": {
            "serving_default": (
                "text -> probabilities, classes (their names, in the same order), label (the predicted name) and "
                "known (how many of its tokens are in the vocabulary)"
            )
        },
    }
    scores = read_document(bundled["export"] / "scores.json")
    assert 0 <= scores.pop("parity") <= 1e-4
    assert scores == read_document(bundled["evaluate"] / "scores.json")


@pytest.mark.slow
def test_raw_strings_get_the_scored_probabilities(bundled: Folders) -> None:
    made = bundle.load(bundled["export"], "saved_model")(raw_texts(texts_of(TESTED, 2)))

    assert made == pytest.approx(probabilities(bundled), abs=1e-5)
    assert np.ptp(made, axis=0).min() > 0.01  # else a constant would do


@pytest.mark.slow
def test_a_fresh_process_repeats_what_was_scored(tmp_path: Path) -> None:
    folders = run_to_evaluate(tmp_path, Preprocess(level="subword", vocabulary=60, length=LENGTH))
    out = tmp_path / "export"
    out.mkdir()

    export(export=Export(), **folders, out=out)

    assert read_document(out / "scores.json")["parity"] <= 1e-4
    assert read_document(out / "signature.json")["needs"] == ["tensorflow_text"]


def test_a_network_without_an_embedding_has_nothing_to_project(judged: Folders, tmp_path: Path) -> None:
    bare, out = tmp_path / "evaluate", tmp_path / "export"
    shutil.copytree(judged["evaluate"], bare, ignore=shutil.ignore_patterns("*.tsv"))
    out.mkdir()

    exported(judged | {"evaluate": bare}, out)

    assert {path.name for path in out.iterdir()} == {"saved_model", "scores.json", "signature.json", *KIT}


def test_probabilities_that_are_not_the_networks_are_refused(attempt: Attempt, tmp_path: Path) -> None:
    with pytest.raises(
        ParityError,
        match=r"^the network to export gives other predictions than were scored \(by 0\.0[0-9]+\)\. Nothing was "
        r"exported; run again with --refresh evaluate\.$",
    ):
        attempt(0.01)

    assert not list((tmp_path / "export").iterdir())


def test_another_network_than_the_scored_one_is_refused(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_other(folder: Path) -> object:
        network = real(folder)
        network.set_weights([weights + 0.5 for weights in network.get_weights()])
        return network

    real = saved_network.read
    monkeypatch.setattr(saved_network, "read", read_other)

    with pytest.raises(ParityError, match="gives other predictions than were scored"):
        attempt()


def test_a_reloaded_model_that_predicts_something_else_is_refused(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crooked(folder: Path, formats: Iterable[str], scratch: Path) -> None:
        bundle.reproduce(folder, formats, scratch)
        np.save(scratch / "labelled.npy", np.roll(np.load(scratch / "labelled.npy"), 1, axis=0))

    monkeypatch.setattr(bundle, "fresh_process", lambda: here(crooked))

    with pytest.raises(ParityError, match="the exported saved_model model differs from the scored one by"):
        attempt()


def test_other_texts_than_those_scored_are_refused(judged: Folders, tmp_path: Path) -> None:
    """So the predictions to export are made from raw strings, not from the tokens that preprocess wrote."""
    other = tmp_path / "ingest"
    other.mkdir()
    texts = read_table(judged["ingest"] / "texts.parquet")
    write_table(other / "texts.parquet", texts.assign(text=texts["text"].str[::-1]))

    with pytest.raises(ParityError, match="gives other predictions than were scored"):
        exported(judged | {"ingest": other}, tmp_path)


def test_the_proof_takes_texts_from_all_over_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = raw_texts(["a" * number for number in range(100)])

    assert parity_rows(texts).tolist() == list(range(100))
    monkeypatch.setattr(exporting, "_MAX_PARITY_TEXTS", 4)
    assert parity_rows(texts).tolist() == [0, 33, 66, 99]
    monkeypatch.setattr(exporting, "_MAX_PARITY_CHARACTERS", 250)  # two of the longest
    assert parity_rows(texts).tolist() == [0, 99]


def test_a_model_of_subwords_says_what_it_needs_and_is_refused_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer: Any = SimpleNamespace(rules=SimpleNamespace(level="subword"), tokens=["", "[UNK]"])
    classifier = TextClassifier.of(tokenizer, Padding(LENGTH), keras.Model())
    told = signature(classifier, ["no", "yes"])
    (tmp_path / "signature.json").write_text('{"needs": ["tensorflow_text"]}')
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)

    with pytest.raises(RequestError) as refused:
        bundle.load(tmp_path, "saved_model")

    assert told["needs"] == ["tensorflow_text"]
    assert str(refused.value) == (
        "the model's graph needs tensorflow_text, which is not installed. Run: pip install 'gristmill[subwords]'."
    )


def serve(folders: Folders, place: Path) -> Any:
    """Write the SavedModel of a run and return it loaded."""
    write_saved_model(TextClassifier.read(folders["train"]), CLASSES, MOST_PROBABLE, place)
    return tf.saved_model.load(place)


@pytest.fixture(scope="module")
def served(judged: Folders, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(judged, tmp_path_factory.mktemp("served"))


def test_raw_strings_get_probabilities_classes_and_the_likeliest_label(served: Any, judged: Folders) -> None:
    made = served.signatures["serving_default"](text=tf.constant(texts_of(TESTED, 2)))

    expected = probabilities(judged)
    assert made["probabilities"].numpy() == pytest.approx(expected, abs=1e-6)
    assert made["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * TESTED
    assert [name.decode() for name in made["label"].numpy()] == [CLASSES[at] for at in expected.argmax(axis=1)]
    assert len(set(made["label"].numpy())) > 1  # else a constant would do


def test_a_text_gets_the_same_alone_and_among_others(served: Any, judged: Folders) -> None:
    answers = [served.signatures["serving_default"](tf.constant([text])) for text in texts_of(TESTED, 2)]

    alone = np.concatenate([answer["probabilities"].numpy() for answer in answers])
    assert alone == pytest.approx(probabilities(judged), abs=1e-6)


def test_an_empty_text_and_one_of_unknown_words_do_not_stop_the_others(served: Any) -> None:
    made = served.signatures["serving_default"](tf.constant(["", "zzz", "film", "zzz fine film"]))

    assert made["known"].numpy().tolist() == [0, 0, 1, 2]
    made = made["probabilities"].numpy()
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert not np.allclose(made[1], made[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "pad", "truncate"), [("character", "pre", "post"), ("subword", "post", "pre"), ("subword", "pre", "pre")]
)
def test_each_level_and_side_is_served_as_it_was_scored(tmp_path: Path, level: Any, pad: Any, truncate: Any) -> None:
    settings = Preprocess(level=level, vocabulary=60, length=LENGTH, pad=pad, truncate=truncate)
    folders = run_to_evaluate(tmp_path, settings)

    made = serve(folders, tmp_path / "served").signatures["serving_default"](tf.constant(texts_of(TESTED, 2)))

    assert made["probabilities"].numpy() == pytest.approx(probabilities(folders), abs=1e-6)

"""Every token of the validation and test sets is predicted once, from at least half a window, and scored."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gristmill.domains.generation import dataset
from gristmill.domains.generation.evaluate import evaluate, is_lossless
from gristmill.domains.generation.predictions import parity_sequences, score_tokens
from gristmill.domains.generation.settings import Evaluate, Preprocess
from gristmill.errors import RequestError
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table
from helpers.small_writers import EVALUATE, LENGTH, Folders, write_prepared

pytest_plugins = ["helpers.small_writers"]

BASELINES = ["unigram", "bigram", "4-gram"]


@cache
def predicted_one_by_one(run: Path, part: str) -> tuple[list[float], list[bool]]:
    """Return the bits of each scored token and whether it was guessed, from as much context as evaluate gives it."""
    data, network = dataset.read(run / "preprocess"), saved_network.read(run / "train")
    tokens, predict = data.token_stream(), tf.function(network, input_signature=[tf.TensorSpec((1, None), tf.int32)])
    begin, _ = tokens.bounds[part]
    bits, right = [], []
    for position in tokens.scored(part).tolist():
        half = LENGTH // 2
        seen = half + 1 + (position - begin) % (LENGTH - half) if data.layout.after_each else LENGTH
        context = tokens.values[max(position - seen, position - tokens.before[position]) : position]
        logits = predict(context[np.newaxis])[0].numpy()
        logits = logits[-1] if data.layout.after_each else logits
        probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        bits.append(-np.log2(probabilities[tokens.values[position]]))
        right.append(probabilities.argmax() == tokens.values[position])
    return bits, right


@pytest.mark.slow
@pytest.mark.parametrize(("run", "part"), [("written", "test"), ("in_lines", "validation")])
def test_every_token_is_predicted_once_from_what_came_before_it(
    run: str, part: str, request: pytest.FixtureRequest
) -> None:
    folders: Folders = request.getfixturevalue(run)
    data = dataset.read(folders["preprocess"])

    outcome = score_tokens(saved_network.read(folders["train"]), data, data.token_stream(), part)

    bits, right = predicted_one_by_one(folders["train"].parent, part)
    assert outcome.bits == pytest.approx(bits, rel=1e-4)
    assert outcome.right.tolist() == right


@pytest.mark.slow
def test_scores_are_those_of_the_outcomes(written: Folders) -> None:
    scores = read_document(written["evaluate"] / "scores.json")
    bits, right = predicted_one_by_one(written["train"].parent, "test")
    characters = dataset.read(written["preprocess"]).layout.characters["test"]

    assert scores["model"]["test"] == pytest.approx(
        {
            "bits_per_character": sum(bits) / characters,
            "bits_per_token": np.mean(bits),
            "perplexity": 2 ** np.mean(bits),
            "accuracy": np.mean(right),
        },
        rel=1e-4,
    )
    assert scores["shown"] == ["bits_per_character", "perplexity", "accuracy"]
    assert scores["tokens"]["test"] == len(bits)
    assert scores["unknown"] == {"validation": 0, "test": 0}


def test_baselines_are_scored_as_the_model_and_the_best_is_the_headlines(written: Folders) -> None:
    scores = read_document(written["evaluate"] / "scores.json")

    assert list(scores["baselines"]) == BASELINES
    by_name = {name: by_part["test"]["bits_per_character"] for name, by_part in scores["baselines"].items()}
    assert scores["best_baseline"] == BASELINES[-1] == min(by_name, key=lambda name: by_name[name])
    assert scores["headline"] == {
        "metric": "bits_per_character",
        "model": scores["model"]["test"]["bits_per_character"],
        "baseline": by_name[BASELINES[-1]],
        "higher_is_better": False,
    }


@pytest.mark.slow
def test_of_lines_the_first_token_is_not_told_and_so_nothing_is_scored_by_character(in_lines: Folders) -> None:
    scores = read_document(in_lines["evaluate"] / "scores.json")
    data = dataset.read(in_lines["preprocess"])

    assert scores["headline"]["metric"] == "bits_per_token"
    assert list(scores["model"]["test"]) == ["bits_per_token", "perplexity", "accuracy"]
    assert scores["tokens"]["test"] == data.layout.tokens["test"] - len(data.lines("test"))
    assert scores["unknown"]["test"] == 5 / scores["tokens"]["test"]  # the mice of the last five lines


def test_bits_are_kept_by_thousands_of_tokens(written: Folders) -> None:
    table = read_table(written["evaluate"] / "bits.parquet")
    scores = read_document(written["evaluate"] / "scores.json")

    assert table.columns.tolist() == ["part", "position", "model", *BASELINES]
    assert table["part"].tolist() == ["validation", "test"]
    assert table["model"].iloc[1] == pytest.approx(scores["model"]["test"]["bits_per_token"])


def test_samples_go_on_from_the_beginning_of_the_test_part(written: Folders, in_lines: Folders) -> None:
    samples = read_table(written["evaluate"] / "samples.parquet")

    assert samples["temperature"].tolist() == [0.5, 1.0]
    assert samples["prompt"].tolist() == ["the "] * 2
    assert all(text.startswith("the ") and len(text) == 4 + 12 for text in samples["text"])
    assert samples["text"].nunique() == 2
    words = read_table(in_lines["evaluate"] / "samples.parquet")
    assert [len(text.split()) for text in words["text"]] == [1 + 12] * 2


def test_the_proof_is_what_the_network_tells(written: Folders) -> None:
    data = dataset.read(written["preprocess"])
    shown = parity_sequences(data.token_stream(), LENGTH)

    kept = np.load(written["evaluate"] / "proof.npy", allow_pickle=False)

    assert shown.shape == (64, LENGTH)
    logits = saved_network.read(written["train"])(tf.constant(shown))[:, -1]
    assert kept == pytest.approx(tf.nn.softmax(logits).numpy())


@pytest.mark.slow
def test_the_same_again_writes_the_same(in_lines: Folders, tmp_path: Path, eager: None) -> None:
    counts = evaluate(evaluate=EVALUATE, preprocess=in_lines["preprocess"], train=in_lines["train"], out=tmp_path)

    data = dataset.read(in_lines["preprocess"])
    tokens = {part: data.layout.tokens[part] - len(data.lines(part)) for part in ("validation", "test")}
    assert counts == {f"{part}_tokens": count for part, count in tokens.items()}
    made = {path.name: path.read_bytes() for path in in_lines["evaluate"].iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == made
    json.loads(made["scores.json"], parse_constant=pytest.fail)  # NaN is no JSON


def test_a_prompt_without_a_token_is_refused(in_lines: Folders, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        evaluate(
            evaluate=Evaluate(prompt=" !"),
            preprocess=in_lines["preprocess"],
            train=in_lines["train"],
            out=tmp_path,
        )

    assert str(refused.value) == (
        "evaluate.prompt: ' !' contains no word. Add one, or leave the key out to continue the beginning of the test "
        "set."
    )


def test_no_temperature_to_write_at_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        Evaluate(temperatures=())

    (error,) = refused.value.errors()
    assert (error["loc"], error["type"]) == (("temperatures",), "too_short")


def test_only_tokens_that_represent_the_whole_text_have_bits_per_character(written: Folders, tmp_path: Path) -> None:
    """Words lose white space, lower case loses capitals, and unknown tokens lose the text they represent."""
    data = dataset.read(written["preprocess"])
    words = replace(data, layout=replace(data.layout, level="word"))

    assert (is_lossless(data, 0.0), is_lossless(data, 0.01), is_lossless(words, 0.0)) == (True, False, False)
    write_prepared(tmp_path, Preprocess(length=LENGTH, lower=True))
    assert not is_lossless(dataset.read(tmp_path), 0.0)

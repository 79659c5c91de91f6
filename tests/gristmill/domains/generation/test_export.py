"""A bundle tells what was scored, goes on from raw strings, and writes piece by piece what it writes at once."""

import math
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.generation.export import export
from gristmill.domains.generation.generate import generate
from gristmill.domains.generation.settings import Evaluate, Export, PredictOptions, Preprocess
from gristmill.errors import ParityError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.util.table_io import read_document, read_table
from helpers.small_writers import EVALUATE, LENGTH, Folders, run
from helpers.support import KIT, heard, said

pytest_plugins = ["helpers.end_to_end", "helpers.small_writers"]

NUMBERS = {"length": 15, "temperature": 0.9, "top_k": 6, "top_p": 0.95, "seed": 7}


@pytest.fixture(scope="module")
def characters(written: Folders, tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Path:
    """The bundle of the run on characters."""
    return exported(written, tmp_path_factory.mktemp("characters"))


@pytest.fixture(scope="module")
def words(in_lines: Folders, tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Path:
    """The bundle of the run on words and lines."""
    return exported(in_lines, tmp_path_factory.mktemp("words"))


def exported(folders: Folders, out: Path) -> Path:
    export(export=Export(), out=out, **{stage: folders[stage] for stage in ("preprocess", "train", "evaluate")})
    return out


loaded = cache(LoadedBundle)


def served(bundle: Path, prompts: list[str], **numbers: Any) -> list[str]:
    """Return what a bundle's SavedModel makes of prompts."""
    model = loaded(bundle).saved_model
    kinds = {"length": tf.int32, "temperature": tf.float32, "top_k": tf.int32, "top_p": tf.float32, "seed": tf.int64}
    given = {name: tf.constant(value, kinds[name]) for name, value in (NUMBERS | numbers).items()}
    texts = model.signatures["serving_default"](prompt=tf.constant(prompts), **given)["text"]
    return [text.decode() for text in texts.numpy()]


@pytest.mark.slow
def test_a_bundle_holds_the_model_the_signature_and_the_scores(characters: Path, written: Folders) -> None:
    assert {path.name for path in characters.iterdir()} == {"saved_model", "scores.json", "signature.json", *KIT}
    scores = read_document(characters / "scores.json")
    assert 0 <= scores.pop("parity") <= 1e-4
    assert scores == read_document(written["evaluate"] / "scores.json")
    signature = read_document(characters / "signature.json")
    assert list(signature["signatures"]) == ["serving_default", "encode", "next", "decode", "probabilities"]
    assert (signature["level"], signature["length"], signature["needs_prompt"]) == ("character", LENGTH, False)
    assert "needs" not in signature


@pytest.mark.slow
@pytest.mark.parametrize("level", ["characters", "words"])
def test_pieces_are_what_the_model_serves_at_once(level: str, request: pytest.FixtureRequest) -> None:
    bundle: Path = request.getfixturevalue(level)

    pieces = list(generate(loaded(bundle), PredictOptions(prompt="the cat", **NUMBERS)))

    assert len(pieces) == 1 + math.ceil(NUMBERS["length"] / (LENGTH - LENGTH // 2))
    assert served(bundle, ["the cat"]) == ["".join(pieces)]


@pytest.mark.slow
def test_a_text_does_not_depend_on_its_batch_and_comes_again_with_its_seed(characters: Path) -> None:
    together = served(characters, ["the cat", "a", "the cat"])

    assert together[0] == together[2] == served(characters, ["the cat"])[0]
    assert together[1] == served(characters, ["a"])[0]
    assert together[0].startswith("the cat")
    assert served(characters, ["the cat"], seed=8)[0] != together[0]


def test_the_samples_of_evaluate_are_what_the_bundle_writes(characters: Path, written: Folders) -> None:
    samples = read_table(written["evaluate"] / "samples.parquet")

    for sample in samples.to_dict("records"):
        numbers = {"length": EVALUATE.sample, "top_k": 0, "top_p": 1.0, "seed": EVALUATE.seed}
        assert served(characters, [sample["prompt"]], temperature=sample["temperature"], **numbers) == [sample["text"]]


def test_an_empty_prompt_begins_a_text_where_line_ends_are_tokens(characters: Path) -> None:
    after_a_line = "".join(generate(loaded(characters), PredictOptions(prompt="\n", **NUMBERS)))

    assert "".join(generate(loaded(characters), PredictOptions(prompt="", **NUMBERS))) == after_a_line.removeprefix(
        "\n"
    )


@pytest.mark.slow
def test_an_empty_prompt_is_refused_where_the_model_goes_on_from_a_word(words: Path) -> None:
    with pytest.raises(RequestError) as refused:
        generate(loaded(words), PredictOptions(prompt=" ?"))

    assert str(refused.value) == (
        "--prompt ' ?' contains no word, and this model needs at least one. Give it the beginning of a text."
    )


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"length": 0}, "--length 0: expected the number of tokens, 1 or more."),
        (
            {"temperature": -0.5},
            "--temperature -0.5: expected 0, for the most probable token each time, or more.",
        ),
        ({"top_k": -1}, "--top-k -1: expected the number of tokens to draw from, or 0 for all."),
        ({"top_p": 0.0}, "--top-p 0: expected a probability above 0, 1 for all tokens."),
        ({"top_p": 1.5}, "--top-p 1.5: expected a probability above 0, 1 for all tokens."),
        ({"seed": 2**63}, "--seed 9223372036854775808: expected a 64-bit integer."),
    ],
    ids=str,
)
def test_a_number_out_of_its_range_is_refused(characters: Path, numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as refused:
        generate(loaded(characters), PredictOptions(prompt="a", **numbers))

    assert str(refused.value) == message


def test_what_the_model_does_not_know_of_a_prompt_is_told(
    characters: Path, words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with heard(caplog):
        assert "".join(generate(loaded(characters), PredictOptions(prompt="the Zoé", **NUMBERS))).startswith("the Zoé")
        generate(loaded(words), PredictOptions(prompt="the zebra sat", **NUMBERS))

    assert said(caplog) == [
        "--prompt: the model does not know the characters 'Z', 'é' and reads them as unknown tokens",
        "--prompt: the model does not know 1 of its 3 words and reads them as unknown tokens",
    ]


@pytest.mark.parametrize(("level", "prompt"), [("words", "The DOG, zebra!"), ("characters", "The Zoé")])
def test_a_prompt_comes_back_as_it_was_given(level: str, prompt: str, request: pytest.FixtureRequest) -> None:
    bundle: Path = request.getfixturevalue(level)

    first, second = served(bundle, [prompt, "the cat"])

    assert first.startswith(prompt)
    assert len(first) > len(prompt)
    assert first == "".join(generate(loaded(bundle), PredictOptions(prompt=prompt, **NUMBERS)))
    assert second.startswith("the cat")


def test_other_probabilities_than_were_scored_are_refused(written: Folders, tmp_path: Path) -> None:
    tampered, out = tmp_path / "evaluate", tmp_path / "export"
    shutil.copytree(written["evaluate"], tampered)
    out.mkdir()
    kept = np.load(tampered / "proof.npy")
    kept[-1, -1] += 0.01
    np.save(tampered / "proof.npy", kept)

    with pytest.raises(ParityError) as refused:
        exported(written | {"evaluate": tampered}, out)

    assert str(refused.value) == (
        "the network to export gives other predictions than were scored (by 0.01). "
        "Nothing was exported; run again with --refresh evaluate."
    )
    assert not list(out.iterdir())


@pytest.mark.slow
def test_a_model_of_subwords_is_proved_and_writes_in_a_fresh_process(tmp_path: Path, parity_here: None) -> None:
    short = Evaluate(order=2, temperatures=(1.0,), sample=1)
    folders = run(tmp_path, Preprocess(level="subword", vocabulary=40, length=LENGTH), short)
    out = tmp_path / "export"
    out.mkdir()
    script = (
        "import pathlib, sys\n"
        "from gristmill.domains.generation.generate import generate\n"
        "from gristmill.domains.generation.settings import PredictOptions\n"
        "from gristmill.export.loaded_bundle import LoadedBundle\n"
        "bundle = LoadedBundle(pathlib.Path(sys.argv[1]))\n"
        "sys.stdout.write(''.join(generate(bundle, PredictOptions(prompt='the cat', length=9, seed=4))))\n"
    )

    exported(folders, out)
    done = subprocess.run([sys.executable, "-c", script, str(out)], capture_output=True, text=True, check=True)

    assert read_document(out / "signature.json")["needs"] == ["tensorflow_text"]
    assert read_document(out / "scores.json")["parity"] <= 1e-4
    assert done.stdout == "".join(generate(LoadedBundle(out), PredictOptions(prompt="the cat", length=9, seed=4)))

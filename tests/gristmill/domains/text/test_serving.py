"""The exported signature takes raw strings and cuts them as training texts were cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.decision import MOST_PROBABLE
from gristmill.domains.text import serving, text_classifier
from gristmill.domains.text.settings import Preprocess
from helpers.small_judged_texts import CLASSES, LENGTH, TESTED, Folders, probabilities, run_to_evaluate, texts_of

pytest_plugins = ["helpers.small_judged_texts"]


def serve(folders: Folders, place: Path) -> Any:
    """Write the SavedModel of a run and return it loaded."""
    serving.write(text_classifier.read(folders["train"]), CLASSES, MOST_PROBABLE, place)
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

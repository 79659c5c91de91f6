"""The linear classifiers on n-grams are fitted on raw texts, and their network gives what was fitted."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit, softmax

from gristmill.domains.text import ngram_classifier
from gristmill.domains.text.models.linear import CharNgrams, NbLinear
from gristmill.domains.text.ngram_classifier import build_network
from gristmill.domains.text.text_classifier import LabelledTexts, TextClassifier
from gristmill.errors import Unsuitable

GOOD, BAD = (
    ["not bad at all", "a lovely film", "lovely, not dull"],
    ["not good at all", "a dull film", "bad, not lovely"],
)
KINDS = [NbLinear(kind="nb_linear"), CharNgrams(kind="char_ngrams")]

LIMITED = ("vocabulary", "longest")

pytestmark = pytest.mark.usefixtures("eager")  # test_text_classifier compiles both kinds

each_kind = pytest.mark.parametrize("kind", KINDS, ids=["words", "characters"])


def opinions(times: int = 10) -> LabelledTexts:
    return LabelledTexts([*GOOD, *BAD] * times, np.array(([1] * 3 + [0] * 3) * times), 2)


def colours(times: int = 20) -> LabelledTexts:
    texts = [f"{telling} film {number}" for number in range(times) for telling in ("red", "green", "blue")]
    return LabelledTexts(texts, np.arange(3 * times) % 3, 3)


@each_kind
def test_balanced_classes_raise_the_recall_of_the_rare_one(kind: Any) -> None:
    texts = [f"{'red' if number % 3 else 'blue'} film" for number in range(90)]
    data = LabelledTexts(texts, (np.arange(90) % 9 == 1).astype(int), 2)  # of red ones, one in six

    plain, balanced = (kind.fit(replace(data, balanced=one)).predict(["red film"])[0, 1] for one in (False, True))

    assert plain < 0.2 < 0.5 < balanced


class Fitted:
    """A text classifier, and what `build_network` was given for it."""

    known: Any
    classifier: Any

    def __init__(self, kind: Any, data: LabelledTexts) -> None:
        def build(tokens: Any, keys: Any, known: Any, classifier: Any) -> Any:
            self.known, self.classifier = known.tolist(), classifier
            return build_network(tokens, keys, known, classifier)

        with patch.object(ngram_classifier, "build_network", build):
            self.model: TextClassifier = kind.fit(data)


@cache
def fitted(kind: Any, data: Callable[[], LabelledTexts]) -> Fitted:
    return Fitted(kind, data())


def by_loop(fitted: Fitted, text: str, orders: range, characters: bool) -> Any:
    """Return the probabilities of a text by a loop over its different n-grams."""
    tokenizer = fitted.model.members[0].tokenizer
    base, ids = len(tokenizer.tokens) + 1, tokenizer.encode(tf.constant([text]))[0].numpy().tolist()
    pieces: list[list[int]] = [ids]
    if characters:
        numbers = {token: number for number, token in enumerate(tokenizer.tokens)}
        pieces = [[0, *(numbers.get(letter, 1) for letter in word), 0] for word in text.lower().split()]
    found = set()
    for piece in pieces:
        for n in orders:
            for begin in range(len(piece) - n + 1):
                run = piece[begin : begin + n]
                key = 0
                for token in run:
                    key = key * base + token + 1
                if key in fitted.known and (characters or min(run) > 1):
                    found.add(fitted.known.index(key))
    scores = fitted.classifier.bias.copy()
    for position in sorted(found):
        scores += fitted.classifier.weights[position] / np.sqrt(len(found))
    return np.array([1 - expit(scores[0]), expit(scores[0])]) if len(scores) == 1 else softmax(log_expit(scores))


@each_kind
@pytest.mark.parametrize("data", [opinions, colours], ids=["two", "three"])
def test_the_network_gives_what_a_loop_over_the_ngrams_gives(kind: Any, data: Callable[[], LabelledTexts]) -> None:
    made_of, characters = fitted(kind, data), isinstance(kind, CharNgrams)
    texts = ["not not lovely dull", "NOT bad,  lovely\tnot bad", "a new blue film", "", "🙂 xyz", " lovely\n"]

    made = made_of.model.predict(texts)

    orders = range(2, 6) if characters else range(1, 4)
    expected = [by_loop(made_of, text, orders, characters) for text in texts]
    assert made == pytest.approx(np.array(expected), abs=1e-6)
    assert np.ptp(made, axis=0).max() > 0.1


def test_neighbouring_words_tell_what_no_word_does() -> None:
    made = fitted(KINDS[0], opinions).model.predict(["not bad", "not good", "lovely, not", "not lovely"])

    assert made.argmax(axis=1).tolist() == [1, 0, 1, 0]
    assert made.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "good", "bad"),
    [
        ({"distance": 2}, ["not {} bad", "very {} good"], ["not {} good", "very {} bad"]),
        ({"ending": 2}, ["dull {} {} {} lovely {}"], ["lovely {} {} {} dull {}"]),
    ],
)
def test_distant_pairs_and_the_end_tell_what_neighbours_do_not(
    settings: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    forms, numbers = [*good, *bad], iter(range(1000))
    texts = [form.format(*(f"w{next(numbers)}" for _ in range(4))) for form in forms * 20]
    labels = np.tile(np.repeat([1, 0], len(good)), 20)

    made = (
        NbLinear(kind="nb_linear", **settings)
        .fit(LabelledTexts(texts, labels, 2))
        .predict([form.format("a", "b", "c", "d") for form in forms])
    )

    assert made.argmax(axis=1).tolist() == labels[: len(forms)].tolist()
    assert np.abs(made[:, 1] - 0.5).min() > 0.2


def test_parts_of_words_tell_the_class_of_new_words() -> None:
    texts = [f"{stem}{end}" for end in ("ing", "ed") for stem in ("walk", "talk", "jump", "look", "call", "turn")]
    data = LabelledTexts(texts, np.arange(12) // 6, 2)

    made = CharNgrams(kind="char_ngrams").fit(data).predict(["xyzing", "xyzed"])

    assert made.argmax(axis=1).tolist() == [0, 1]


@each_kind
def test_of_three_classes_each_is_found_by_its_own_word(kind: Any) -> None:
    made = fitted(kind, colours).model.predict(["blue", "a red plot", "GREEN!"])

    assert made.argmax(axis=1).tolist() == [2, 0, 1]
    assert made.sum(axis=1) == pytest.approx(1)


@each_kind
def test_texts_without_a_known_ngram_get_the_bias_alone(kind: Any) -> None:
    made = fitted(kind, opinions).model.predict(["", "zzz", "🙂", "\t \n"])

    assert (made == made[0]).all()
    assert made[0].sum() == pytest.approx(1)


@each_kind
def test_texts_that_share_nothing_give_the_frequencies_of_the_classes(kind: Any) -> None:
    data = LabelledTexts(["ab", "cd", "ef"], np.array([0, 1, 1]), 2)

    assert kind.fit(data).predict(["ab", "cd"]) == pytest.approx(np.array([[1 / 3, 2 / 3]] * 2), abs=1e-2)


@each_kind
def test_texts_without_two_different_tokens_do_not_suit(kind: Any) -> None:
    level = "word" if isinstance(kind, NbLinear) else "character"

    with pytest.raises(Unsuitable, match=f"^needs training texts with at least two different {level}s$"):
        kind.fit(LabelledTexts(["a", "A"], np.array([0, 1]), 2))


@each_kind
def test_texts_of_one_class_alone_get_that_class(kind: Any) -> None:
    made = kind.fit(LabelledTexts([*GOOD, *BAD], np.ones(6, int), 2)).predict(["a film"])

    assert made[0, 1] > 0.95


@each_kind
def test_a_sample_of_very_many_texts_is_as_large_as_allowed_and_of_all_classes(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["a b", "c d"] * 200  # sorted or alternating classes are usual in files

    with caplog.at_level("INFO", "gristmill"):
        made = kind.model_copy(update={"max_characters": 1197}).fit(LabelledTexts(texts, np.arange(400) % 2, 2))

    assert made.predict(["a b", "c d"])[:, 1] == pytest.approx([0, 1], abs=0.2)
    assert [line.getMessage() for line in caplog.records] == ["fitted on a sample of 399 of 400 texts"]


@each_kind
def test_only_the_beginning_of_a_long_text_is_read(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram_classifier, "MAX_TOKENS", 3)

    found = Fitted(kind, LabelledTexts(["abc d e x yz"] * 4, np.array([0, 1] * 2), 2))

    beginning = 3 + 2 + 1 if isinstance(kind, NbLinear) else 4 + 3 + 2 + 1  # n-grams of "abc d e", and of " abc "
    assert len(found.known) == beginning
    longer = found.model.predict(["abc d e", "abc d e x yz yz", "abc"])
    assert longer[0] == pytest.approx(longer[1])


@each_kind
def test_the_same_texts_give_the_same_files(kind: Any, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        keras.backend.clear_session()  # as train does, for the names of layers
        kind.fit(opinions()).write(tmp_path / name)

    for each in (tmp_path / "first").iterdir():
        assert (tmp_path / "second" / each.name).read_bytes() == each.read_bytes(), each.name


@pytest.mark.parametrize("shortest", [3, 5])
def test_the_longest_ngram_is_not_shorter_than_the_shortest(shortest: int) -> None:
    with pytest.raises(ValueError, match="at least the number in 'shortest'"):
        CharNgrams(kind="char_ngrams", shortest=shortest, longest=2)


@each_kind
def test_keys_fit_64_bits(kind: Any) -> None:
    fields = type(kind).model_fields
    most, longest = (next(each.le for each in fields[name].metadata if hasattr(each, "le")) for name in LIMITED)
    spaces = 0 if isinstance(kind, NbLinear) else len(ngram_classifier._SPACES)

    assert (most + spaces + 1) ** longest < 2**63


@each_kind
def test_the_network_is_saved_by_keras_without_code(kind: Any, tmp_path: Path) -> None:
    network = fitted(kind, colours).model.members[0].network
    network.save(tmp_path / "ngrams.keras")

    again = keras.models.load_model(tmp_path / "ngrams.keras", safe_mode=True)

    tokens = np.random.default_rng(0).integers(0, 9, (4, 30)).astype(np.int32)
    assert np.asarray(again(tokens)).tolist() == np.asarray(network(tokens)).tolist()

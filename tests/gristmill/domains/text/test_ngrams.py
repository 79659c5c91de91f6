"""Keys of n-grams are those of a plain loop, and the same in NumPy and in a graph."""

from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import pytest

from gristmill.domains.text.ngrams import (
    BOUNDARY,
    NO_KEY,
    Keys,
    character_keys_in_graph,
    further_word_keys,
    ngram_keys,
    word_keys_in_graph,
)
from gristmill.domains.text.tokens import UNKNOWN, Sequences, starts_from_lengths

VOCABULARY = 5
BASE = VOCABULARY + 1

Texts = list[list[int]]


def texts(seed: int, least: int) -> Texts:
    """Return texts of 0 to 8 tokens from `least` up."""
    random = np.random.default_rng(seed)
    return [random.integers(least, VOCABULARY, count).tolist() for count in [0, 1, 2, *random.integers(0, 9, 20)]]


def sequences(given: Texts) -> Sequences:
    values = np.array([token for text in given for token in text], np.int32)
    return Sequences(values, starts_from_lengths(np.array([len(text) for text in given])))


def key(tokens: Sequence[int]) -> int:
    value = 0
    for token in tokens:
        value = value * BASE + token + 1
    return value


def runs(text: Sequence[int], orders: Sequence[int]) -> Iterator[list[int]]:
    """Yield all runs of neighbouring tokens."""
    for n in orders:
        for begin in range(len(text) - n + 1):
            yield list(text[begin : begin + n])


def padded(given: Texts, width: int) -> np.ndarray:
    return np.array([text + [0] * (width - len(text)) for text in given], np.int32)


def known(rows: np.ndarray) -> list[list[int]]:
    return [sorted(row[row != NO_KEY].tolist()) for row in rows]


def joined(families: Iterable[tuple[Keys, Keys]]) -> tuple[Keys, Keys]:
    keys, owners = zip(*families, strict=True)
    return np.concatenate(keys), np.concatenate(owners)


def by_text(found: tuple[Keys, Keys], count: int) -> list[list[int]]:
    keys, owners = found
    return [sorted(keys[owners == at].tolist()) for at in range(count)]


@pytest.mark.parametrize("orders", [[1], [1, 2, 3], [2, 3], [3]])
def test_words_have_the_keys_of_a_loop(orders: list[int]) -> None:
    given = texts(0, UNKNOWN)
    expected = [sorted(key(run) for run in runs(text, orders) if min(run) > UNKNOWN) for text in given]

    assert by_text(joined(ngram_keys(sequences(given), orders, BASE, UNKNOWN + 1)), len(given)) == expected
    assert known(np.asarray(word_keys_in_graph(padded(given, 9), orders, BASE))) == expected


@pytest.mark.parametrize(("distance", "ending"), [(4, 0), (1, 3), (3, 2), (5, 20)])
def test_distant_pairs_and_the_end_of_a_text_have_the_keys_of_a_loop(distance: int, ending: int) -> None:
    given = texts(2, UNKNOWN)
    expected: list[list[int]] = []
    for text in given:
        pairs = [pair for apart in range(2, distance + 1) for pair in zip(text, text[apart:], strict=False)]
        end = list(runs(text[len(text) - ending :], [1, 2])) if len(text) > ending else []
        found = [BASE**3 + key(pair) for pair in pairs if min(pair) > UNKNOWN]
        expected.append(sorted(found + [2 * BASE**3 + key(run) for run in end if min(run) > UNKNOWN]))

    assert by_text(joined(further_word_keys(sequences(given), distance, ending, BASE)), len(given)) == expected
    in_graph = np.asarray(word_keys_in_graph(padded(given, 9), [1], BASE, distance, ending))
    assert [[one for one in row if one >= BASE**3] for row in known(in_graph)] == expected
    network = keras.Input((None,), dtype="int32")
    compiled = keras.Model(network, word_keys_in_graph(network, [1], BASE, distance, ending))
    assert np.array_equal(compiled(padded(given, 9)), in_graph)


@pytest.mark.parametrize("orders", [[2], [2, 3, 4, 5], [4]])
def test_characters_have_the_keys_of_a_loop_over_the_words(orders: list[int]) -> None:
    given = texts(1, BOUNDARY)
    bounded: list[Texts] = []
    for text in given:
        words: Texts = [[]]
        for character in text:
            words[-1:] = [[*words[-1], character]] if character != BOUNDARY else [words[-1], []]
        bounded.append([[BOUNDARY, *word, BOUNDARY] for word in words if word])
    expected = [sorted(key(run) for word in words for run in runs(word, orders)) for words in bounded]

    flat = [word for words in bounded for word in words]
    owners = np.repeat(np.arange(len(given)), [len(words) for words in bounded])
    keys, words_of = joined(ngram_keys(sequences(flat), orders, BASE, BOUNDARY))
    assert by_text((keys, owners[words_of]), len(given)) == expected

    in_graph = np.asarray(character_keys_in_graph(padded(given, 9), orders, BASE))
    nothing = key([BOUNDARY, BOUNDARY])  # no word has it
    assert [[one for one in row if one != nothing] for row in known(in_graph)] == expected


def test_no_two_ngrams_of_any_length_share_a_key() -> None:
    everything = [list(run) for n in range(1, 5) for run in np.ndindex((VOCABULARY,) * n)]

    assert len({key(run) for run in everything}) == len(everything)


def test_a_batch_narrower_than_the_longest_ngram_is_read() -> None:
    tokens = keras.Input((None,), dtype="int32")
    network = keras.Model(tokens, word_keys_in_graph(tokens, [1, 2, 3], BASE))

    assert known(np.asarray(network(np.array([[3]], np.int32)))) == [[4]]


def test_no_texts_have_no_keys() -> None:
    families = [*ngram_keys(sequences([]), [1, 2, 3], BASE, UNKNOWN + 1), *further_word_keys(sequences([]), 3, 4, BASE)]

    assert [(len(keys), len(owners)) for keys, owners in families] == [(0, 0)] * 6

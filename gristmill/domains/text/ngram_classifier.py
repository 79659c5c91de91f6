"""Linear classifiers on n-grams of words, or of characters within words, fitted on raw texts.

Their network is made of Keras's own layers and operations. It looks up the key of each n-gram in a sorted table, and
adds up the weights of those that are there, each once.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import pandas as pd
from keras import ops
from scipy.sparse import csr_array, hstack

from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.text import ngrams, token_chunks
from gristmill.domains.text.nb_logistic import LinearClassifier, fit_classifier
from gristmill.domains.text.ngrams import BOUNDARY, NO_KEY, Keys
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.text_classifier import LabelledTexts, Padding, TextClassifier
from gristmill.domains.text.tokenizer import Characters, Tokenizer, batches_of, encode_texts, sample_texts
from gristmill.domains.text.tokens import UNKNOWN, Sequences, starts_from_lengths
from gristmill.errors import DataError, Unsuitable
from gristmill.training.deadline import check_deadlines
from gristmill.training.lookup_tables import AFTER_ALL_KEYS, constant, frozen_table, positions_of

MAX_TOKENS = 20_000  # words or characters read from one text: a single huge one must not exhaust a server's memory

_SPACES = {chr(point) for point in range(0x3001) if chr(point).isspace()}  # Unicode has none beyond


@dataclass(frozen=True)
class NgramOptions:
    """Settings that both kinds of classifiers have (`models/linear.py`)."""

    vocabulary: int  # maximum number of words or characters
    min_texts: int  # minimum number of training texts that contain an n-gram
    smoothing: float  # added to each count of texts with an n-gram
    decay: float  # penalty on the squared weights
    max_characters: int  # maximum number of characters to fit on


def fit_words(data: LabelledTexts, options: NgramOptions, longest: int, distance: int, ending: int) -> TextClassifier:
    """Return the classifier on n-grams of at most `longest` words, and further pairs (`ngrams.further_word_keys`)."""
    # 1. Tokenize the texts, and find the n-grams that are in enough of them.
    data = _sampled(data, options.max_characters)
    orders = range(1, longest + 1)
    tokenizer, sequences = _encoded(data.texts, TokenSettings(vocabulary=options.vocabulary, punctuation="separate"))
    base = len(tokenizer.tokens) + 1
    sequences = sequences.truncated(MAX_TOKENS, "post")
    families = itertools.chain(
        ngrams.ngram_keys(sequences, orders, base, UNKNOWN + 1),
        ngrams.further_word_keys(sequences, distance, ending, base),
    )
    known, present = [], []
    for keys, owners in families:  # one after the other, to save memory
        check_deadlines()
        columns, different = pd.factorize(keys)  # hashes are several times as fast as sorting
        repeated = np.flatnonzero(np.bincount(columns, minlength=len(different)) >= options.min_texts)
        repeated = repeated[np.argsort(different[repeated])]
        ranks = np.full(len(different), -1)
        ranks[repeated] = np.arange(len(repeated))
        columns = ranks[columns]
        kept = columns >= 0
        contains = _ones(owners[kept], columns[kept], (len(data.texts), len(repeated)))
        frequent, of_family = _frequent(contains, options.min_texts)
        known.append(different[repeated][frequent])
        present.append(of_family)
    # 2. Fit their weights, and compute the same n-grams in the graph.
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    in_graph = ngrams.word_keys_in_graph(tokens, orders, base, distance, ending)
    fitted = _fit(data, options, csr_array(hstack(present, format="csr")))
    network = build_network(tokens, in_graph, np.concatenate(known), fitted)
    return TextClassifier.of(tokenizer, Padding(MAX_TOKENS), network)


def fit_characters(data: LabelledTexts, options: NgramOptions, shortest: int, longest: int) -> TextClassifier:
    """Return the classifier on n-grams of the characters of words, which white space separates.

    The n-grams of a text are those of its different words, which are far fewer than its characters.
    """
    # 1. Find the different words, and the n-grams that are in each.
    data = _sampled(data, options.max_characters)
    orders = range(shortest, longest + 1)
    encoder, _ = _encoded(data.texts, TokenSettings(level="character", vocabulary=options.vocabulary))
    tokenizer = Characters([*encoder.tokens, *sorted(_SPACES - set(encoder.tokens))], encoder.rules)
    base = len(tokenizer.tokens) + 1
    words, contains = _words(tokenizer, data.texts)
    check_deadlines()
    encoded = encode_texts(tokenizer, words)
    starts = encoded.starts + 2 * np.arange(len(words) + 1)  # with a boundary before and after each word
    values = np.full(starts[-1], BOUNDARY, np.int32)
    values[np.arange(len(encoded.values)) + np.repeat(2 * np.arange(len(words)) + 1, encoded.lengths)] = encoded.values
    families = list(ngrams.ngram_keys(Sequences(values, starts), orders, base, BOUNDARY))
    keys, owners = (np.concatenate(arrays) for arrays in zip(*families, strict=True))
    check_deadlines()
    known, columns = np.unique(keys, return_inverse=True)
    # 2. Compute the same n-grams in the graph, in which white space of any kind is a boundary.
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    replacements = np.arange(len(tokenizer.tokens), dtype=np.int32)
    replacements[[token.isspace() for token in tokenizer.tokens]] = BOUNDARY
    characters = ops.squeeze(frozen_table(replacements[:, np.newaxis], "replacements")(tokens), axis=-1)
    in_graph = ngrams.character_keys_in_graph(characters, orders, base)
    # 3. Fit weights of those that are in enough texts.
    present = _binary(contains @ _ones(owners, columns, (len(words), len(known))))
    frequent, present = _frequent(present, options.min_texts)
    network = build_network(tokens, in_graph, known[frequent], _fit(data, options, present))
    return TextClassifier.of(tokenizer, Padding(MAX_TOKENS), network)


def _fit(data: LabelledTexts, options: NgramOptions, present: csr_array) -> LinearClassifier:
    """Return the weights of the n-grams, by the texts where they are `present`."""
    return fit_classifier(
        present, data.labels, data.classes, data.weights, smoothing=options.smoothing, decay=options.decay
    )


def _frequent(present: csr_array, min_texts: int) -> tuple[Keys, csr_array]:
    """Return the columns with a value in at least so many rows, and the matrix of them."""
    frequent = np.flatnonzero(np.bincount(present.indices, minlength=present.shape[1]) >= min_texts)
    return frequent, present[:, frequent]


def _sampled(data: LabelledTexts, characters: int) -> LabelledTexts:
    """Return a sample of data that has more characters."""
    chosen = sample_texts(data.texts, characters, data.labels)
    return replace(data, texts=[data.texts[at] for at in chosen], labels=data.labels[chosen])


def _encoded(texts: Sequence[str], tokens: TokenSettings) -> tuple[Tokenizer, Sequences]:
    """Return the tokenizer of texts, and their tokens."""
    try:
        return token_chunks.join([token_chunks.encode(texts, len(texts), tokens)], tokens)
    except DataError:
        raise Unsuitable(f"needs training texts with at least two different {tokens.level}s") from None


def _ones(rows: Keys, columns: Keys, shape: tuple[int, int]) -> csr_array:
    """Return 1 at each pair of row and column, which may occur several times."""
    return _binary(csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape))


def _binary(matrix: csr_array) -> csr_array:
    """Return the matrix with 1 where it has a value."""
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _words(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[list[str], csr_array]:
    """Return the different words of texts, and 1 where a text contains one: (texts, words)."""
    numbers: dict[str, int] = {}
    columns, counts = [], []
    for batch in batches_of(texts):
        for text in tokenizer.rules.cased(batch).numpy():
            words = dict.fromkeys(text.decode()[:MAX_TOKENS].split())
            columns += [numbers.setdefault(word, len(numbers)) for word in words]
            counts.append(len(words))
    starts = starts_from_lengths(np.array(counts)).astype(np.int32)
    ones = np.ones(len(columns), np.float32)
    contains = csr_array((ones, np.array(columns, np.int32), starts), shape=(len(texts), len(numbers)))
    return list(numbers), contains


def build_network(
    tokens: keras.KerasTensor, keys: keras.KerasTensor, known: Keys, classifier: LinearClassifier
) -> keras.Model:
    """Return the network from `tokens` to probabilities, (batch, classes).

    Args:
        tokens: the input, int32 (batch, steps).
        keys: keys of its n-grams, int64 (batch, any number); `NO_KEY` is ignored.
        known: the features of the classifier, sorted.
        classifier: its weights.
    """
    table = constant(np.append(known, AFTER_ALL_KEYS), tokens, "keys")
    outputs = len(classifier.bias)
    weights = np.append(classifier.weights, np.zeros((1, outputs)), axis=0)
    keys = ops.sort(keys, axis=1)
    repeated = ops.pad(ops.equal(keys[:, 1:], keys[:, :-1]), ((0, 0), (1, 0)))
    at = positions_of(table, ops.where(repeated, NO_KEY, keys))
    scores = ops.sum(frozen_table(weights, "weights")(at), axis=1)
    count = ops.sum(ops.cast(ops.less(at, len(known)), "float32"), axis=1, keepdims=True)
    scores = scores / ops.sqrt(ops.maximum(count, 1.0))
    logits = scores + constant(classifier.bias, tokens, "bias")
    predictions = probabilities(logits) if outputs == 1 else ops.softmax(ops.log_sigmoid(logits), axis=-1)
    return keras.Model(tokens, predictions, name="ngrams")

"""An n-gram network gives the probabilities of its tables, at every step, for any batch and length."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.ngrams import count_grams, ngram_network
from gristmill.training import saved_network
from helpers.ngrams import probabilities, stream_of

VOCABULARY = 9
RANDOM = np.random.default_rng(3)
LINES = [RANDOM.choice(range(1, 8), p=np.arange(7, 0, -1) / 28, size=size).tolist() for size in (60, 1, 25)]
TOKENS = np.array([[0, 0, *LINES[0][:4]], LINES[0][10:16], [8, 1, 1, 2, 8, 1], [3, 0, 0, 1, 2, 1]], np.int32)


def network(order: int, after_each: bool = True) -> tuple[keras.Model, Any]:
    tables = count_grams(stream_of(LINES, VOCABULARY), order, 1.0)
    return ngram_network(tables, Shape(VOCABULARY, 6, after_each)), tables


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_network_gives_the_probabilities_of_the_tables(order: int) -> None:
    model, tables = network(order)

    logits = np.asarray(model(TOKENS))

    assert (model.output_shape, logits.shape, logits.dtype) == (
        (None, None, VOCABULARY),
        (4, 6, VOCABULARY),
        np.float32,
    )
    for row, step in np.ndindex(TOKENS.shape):
        expected = probabilities(tables, TOKENS[row, max(0, step + 2 - order) : step + 1].tolist(), VOCABULARY)
        assert np.exp(logits[row, step]) == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_after_a_line_only_the_last_step_is_predicted() -> None:
    model, _ = network(4, after_each=False)

    logits = np.asarray(model(TOKENS))

    assert model.output_shape == (None, VOCABULARY)
    assert logits == pytest.approx(np.asarray(network(4)[0](TOKENS))[:, -1], rel=1e-6)
    assert np.asarray(model(np.pad(TOKENS, ((0, 0), (3, 0))))) == pytest.approx(logits, rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, VOCABULARY])
def test_batches_and_sequences_may_have_any_size(size: int) -> None:
    """Keras takes an array of as many values as there are steps for biases of the steps."""
    model, _ = network(4)
    tokens = np.resize(TOKENS, (size, size))

    together = np.asarray(model(tokens))

    padded = np.asarray(model(np.pad(tokens, ((0, 0), (3, 0)))))
    assert together == pytest.approx(padded[:, 3:], rel=1e-6)


def test_nothing_in_the_network_is_trained_and_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    model, _ = network(4)

    saved_network.write(model, tmp_path)
    again = saved_network.read(tmp_path)

    assert np.asarray(again(TOKENS)).tobytes() == np.asarray(model(TOKENS)).tobytes()
    assert model.trainable_variables == []
    assert {variable.dtype for variable in model.variables} == {"int64", "float32"}


def test_the_architecture_holds_no_table() -> None:
    lines = RANDOM.integers(1, 1000, (20, 200)).tolist()

    large = ngram_network(count_grams(stream_of(lines, 1000), 4, 1.0), Shape(1000, 6, after_each=True))

    assert len(large.to_json()) < 1.01 * len(network(4)[0].to_json())

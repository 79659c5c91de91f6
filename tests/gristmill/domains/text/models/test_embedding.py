"""The embedding model's network, flattened and pooled."""

from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.text.layers import hashed_pairs
from gristmill.domains.text.models import Shape
from gristmill.domains.text.models.embedding import Embedding

TOKENS = np.random.default_rng(0).integers(1, 30, (4, 7)).astype(np.int32)


def test_flattened_every_place_has_weights_of_its_own() -> None:
    network = Embedding(kind="embedding", dimensions=3, pooling="flatten", units=(6,)).build(Shape(30, 7, 2))

    assert network.input_shape == (None, 7)
    assert network.count_params() == 30 * 3 + (7 * 3 + 1) * 6 + 7
    assert [type(layer).__name__ for layer in network.layers if layer.weights] == ["Embedding", "Dense", "Dense"]


def test_pairs_have_vectors_of_their_own_so_the_order_of_words_counts() -> None:
    keras.utils.set_random_seed(0)
    network = Embedding(kind="embedding", dimensions=3, pairs=1000, units=()).build(Shape(30, 7, 4))
    words, pairs, weights, bias = network.get_weights()
    tokens = np.array([[5, 6, 1, 7, 8, 0]], np.int32)  # the pairs of the unknown token are ignored
    numbers = np.asarray(hashed_pairs(tokens, 1000))

    expected = (words[[5, 6, 1, 7, 8]].sum(axis=0) + pairs[numbers[0, [0, 3]]].sum(axis=0)) / 7 @ weights + bias

    assert numbers[0].astype(bool).tolist() == [True, False, False, True, False, False]
    assert np.asarray(network(tokens))[0] == pytest.approx(expected, abs=1e-6)
    every = np.stack(np.meshgrid(np.arange(2, 202), np.arange(2, 202))).reshape(2, -1).T.astype(np.int32)
    counts = np.bincount(np.asarray(hashed_pairs(every, 1000))[:, 0], minlength=1001)[1:]
    assert (counts.min(), counts.max()) == pytest.approx((40, 40), abs=30)  # 40,000 pairs are spread evenly


@pytest.mark.parametrize("pooling", ["average", "max", "flatten"])
def test_pairs_next_to_wider_pretrained_vectors_keep_the_dimensions_of_the_model(pooling: Any) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 50)).astype(np.float32)
    model = Embedding(kind="embedding", dimensions=3, pairs=100, units=(), pooling=pooling)
    network = model.build(Shape(30, 7, 4, vectors))
    pairs, weights, bias = network.get_weights()[1:]
    hashed = np.asarray(hashed_pairs(TOKENS, 100))

    of_each = [vectors[TOKENS], pairs[hashed][:, :-1]]  # no pair begins with the last token
    if pooling == "flatten":
        features = np.concatenate([of_each[0].reshape(4, -1), pairs[hashed].reshape(4, -1)], axis=1)
    else:
        known = [np.ones(TOKENS.shape, bool), hashed[:, :-1] > 0]
        how = {"average": np.mean, "max": np.max}[pooling]
        rows = [
            [how(row[seen], axis=0) for row, seen in zip(*one, strict=True)] for one in zip(of_each, known, strict=True)
        ]
        features = np.concatenate(rows, axis=1)

    assert pairs.shape == (101, 3)
    assert np.asarray(network(TOKENS)) == pytest.approx(features @ weights + bias, abs=1e-5)


def test_averaged_and_without_dense_layers_it_is_linear_in_the_counts_of_tokens() -> None:
    keras.utils.set_random_seed(0)
    network = Embedding(kind="embedding", dimensions=3, units=()).build(Shape(30, 7, 4))
    vectors, weights, bias = network.get_weights()

    expected = vectors[TOKENS].mean(axis=1) @ weights + bias

    assert network.input_shape == (None, None)
    assert np.asarray(network(TOKENS)) == pytest.approx(expected, abs=1e-6)

"""How tokens are drawn: at a temperature, from the likeliest alone, the same for the same seed."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.recurrent import Gru
from gristmill.domains.generation.serving import Sampling, Writer, draw_token

SHARES = [0.0, 0.0, 0.5, 0.25, 0.15, 0.1]  # of tokens; the first two are padding and unknown


def tokens(count: int, shares: list[float] | None = None, **sampling: float) -> list[int]:
    """Return so many tokens drawn by their shares, as one text would have them."""
    logits = tf.math.log(tf.constant(shares or SHARES))
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1} | sampling

    @tf.function
    def draw(positions: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda position: draw_token(logits, position, Sampling(**settings)), positions)

    drawn: list[int] = draw(tf.range(count)).numpy().tolist()
    return drawn


def shares_of(drawn_tokens: list[int]) -> list[float]:
    return (np.bincount(drawn_tokens, minlength=6) / len(drawn_tokens)).tolist()


def test_tokens_are_drawn_by_their_probabilities() -> None:
    assert shares_of(tokens(2000)) == pytest.approx(SHARES, abs=0.04)


def test_a_low_temperature_takes_likely_tokens_more_often() -> None:
    squared = np.square(SHARES) / np.square(SHARES).sum()

    assert shares_of(tokens(2000, temperature=0.5)) == pytest.approx(squared.tolist(), abs=0.04)


@pytest.mark.parametrize(
    ("sampling", "possible"),
    [
        ({"temperature": 0.0}, {2}),
        ({"top_k": 1}, {2}),
        ({"top_k": 2}, {2, 3}),
        ({"top_k": 99}, {2, 3, 4, 5}),
        ({"top_p": 0.01}, {2}),
        ({"top_p": 0.5}, {2}),
        ({"top_p": 0.51}, {2, 3}),
        ({"top_p": 0.8}, {2, 3, 4}),
        ({"top_k": 2, "top_p": 0.6}, {2}),  # of the two that are left the first has 2/3
    ],
    ids=str,
)
def test_only_the_likeliest_are_drawn_from(sampling: dict[str, float], possible: set[int]) -> None:
    assert set(tokens(200, **sampling)) == possible


def test_padding_and_unknown_are_never_drawn() -> None:
    assert set(tokens(100, [0.5, 0.4, 0.05, 0.05])) == {2, 3}
    assert set(tokens(10, [0.5, 0.4, 0.06, 0.04], temperature=0.0)) == {2}


def test_a_seed_draws_the_same_and_another_one_does_not() -> None:
    assert tokens(50) == tokens(50)
    assert tokens(50) != tokens(50, seed=2)
    assert len(set(tokens(50))) > 1


@pytest.mark.slow
def test_each_token_after_a_prefix_is_the_likeliest_of_the_probabilities_that_are_scored() -> None:
    keras.utils.set_random_seed(7)
    shape = Shape(vocabulary=30, length=6, after_each=False)
    network = Gru(kind="gru", dimensions=8, recurrent=(12,)).build(shape)
    for variable in network.trainable_variables:
        variable.assign(4 * variable)
    tokenizer: Any = SimpleNamespace(tokens=["", "[UNK]", "a"])
    writer = Writer(network, tokenizer, length=6)
    sampling = Sampling(temperature=0.0, top_k=0, top_p=1.0, seed=1)
    likeliest = tf.function(lambda tokens: tf.argmax(writer.probabilities(tokens)[0, 2:]) + 2, reduce_retracing=True)
    for text in np.random.default_rng(0).integers(2, 30, (2, 5)).tolist():
        for _ in range(3):
            for token in writer.next(tf.constant(text), tf.constant(0), sampling).numpy().tolist():
                assert token == likeliest(tf.constant([text]))
                text.append(token)


@pytest.mark.parametrize(("tokens", "start"), [(["", "[UNK]", "a", "\n"], 3), (["", "[UNK]", "a"], 1)])
def test_a_text_without_a_prompt_begins_after_a_line_end_if_that_is_a_token(tokens: list[str], start: int) -> None:
    tokenizer: Any = SimpleNamespace(tokens=tokens)
    writer = Writer(keras.Sequential(), tokenizer, length=5)

    assert writer.context(tf.zeros(0, tf.int32)).numpy().tolist() == [start]
    assert writer.context(tf.constant([2])).numpy().tolist() == [2]

"""The tables of an n-gram model hold the probabilities of modified Kneser-Ney smoothing, as a dumb loop finds them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.generation.dataset import TokenStream
from gristmill.domains.generation.ngrams import Grams, count_grams
from helpers.ngrams import probabilities, stream_of

Lines = list[list[int]]
VOCABULARY = 6


def grams_of(lines: Lines, size: int) -> list[tuple[int | None, tuple[int, ...]]]:
    """Return the n-grams of lines, each with the token before it; None at the beginning of a line."""
    return [
        (line[at - 1] if at else None, tuple(line[at : at + size]))
        for line in lines
        for at in range(len(line) - size + 1)
    ]


def by_loop(lines: Lines, context: tuple[int, ...], order: int, discount: float) -> list[float]:
    """Return the probability of each token after a context."""
    size = len(context) + 1
    shorter = (
        by_loop(lines, context[1:], order, discount) if context else [0.0] + [1 / (VOCABULARY - 1)] * (VOCABULARY - 1)
    )
    found = grams_of(lines, size)
    counts = Counter(gram for _, gram in (found if size == order else set(found)))
    after = [counts[(*context, token)] for token in range(VOCABULARY)]
    if not sum(after):
        return shorter
    seen = [sum(count == number for count in counts.values()) for number in (1, 2, 3, 4)]
    discounts = [0.5, 1.0, 1.5]
    if all(seen):
        share = seen[0] / (seen[0] + 2 * seen[1])
        estimated = [n - (n + 1) * share * seen[n] / seen[n - 1] for n in (1, 2, 3)]
        discounts = estimated if min(estimated) > 0 else discounts
    reduced = [min(count, discount * discounts[min(count, 3) - 1]) if count else 0.0 for count in after]
    weight = sum(reduced) / sum(after)
    return [(after[one] - reduced[one]) / sum(after) + weight * shorter[one] for one in range(VOCABULARY)]


LINES = st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=30), min_size=1, max_size=4)
CONTEXT = st.lists(st.integers(1, VOCABULARY - 1), max_size=5)


@settings(max_examples=200)
@given(LINES, CONTEXT, st.integers(1, 4), st.sampled_from([1.0, 1.3]))
def test_the_tables_are_those_of_a_loop(lines: Lines, context: list[int], order: int, discount: float) -> None:
    tables = count_grams(stream_of(lines, VOCABULARY), order, discount)

    found = probabilities(tables, context, VOCABULARY)

    longest = min(order, max(map(len, lines)))
    known = tuple(context[max(0, len(context) - longest + 1) :])
    assert found == pytest.approx(by_loop(lines, known, longest, discount))
    assert (found.sum(), found[0]) == (pytest.approx(1), 0)


def test_only_the_training_set_is_counted() -> None:
    tokens = stream_of([[2, 3, 2, 3, 4, 4, 4]], VOCABULARY)
    shorter = TokenStream(tokens.values, tokens.before, {"train": (0, 4), "test": (4, 7)}, VOCABULARY)
    alone = stream_of([[2, 3, 2, 3]], VOCABULARY)

    for part, whole in zip(count_grams(shorter, 3, 1.0), count_grams(alone, 3, 1.0), strict=True):
        assert all(
            np.array_equal(one, other) for one, other in zip(vars(part).values(), vars(whole).values(), strict=True)
        )


def test_tables_hold_only_what_occurred() -> None:
    tables = count_grams(stream_of([[2, 3, 4] * 1000], VOCABULARY), 4, 1.0)

    assert [len(grams.keys) for grams in tables] == [3, 3, 3, 3]
    assert [len(grams.weights) for grams in tables] == [1, 3, 3, 3]


def test_a_context_that_no_token_followed_leaves_everything_to_the_shorter_model() -> None:
    tables: list[Grams] = count_grams(stream_of([[2, 3, 5]], VOCABULARY), 2, 1.0)

    assert tables[1].weights.tolist() == [0.5, 0.5, 1.0]  # 5 is last


@pytest.mark.slow
def test_keys_of_long_grams_with_many_tokens_stay_small() -> None:
    line = np.random.default_rng(0).integers(1, 50_000, 3000).tolist()

    tables = count_grams(stream_of([line], 50_000), 8, 1.0)

    assert max(int(grams.keys.max()) for grams in tables) < 3000 * 50_000
    assert probabilities(tables, line[100:107], 50_000).argmax() == line[107]

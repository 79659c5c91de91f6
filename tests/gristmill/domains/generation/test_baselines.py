"""Models of counts: probabilities that sum to one and are the formula's, and guesses that are the best there are."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.generation.baselines import STRENGTHS, TokenStream, baselines, counted, witten_bell


def stream(fitted: list[int], rest: list[int], vocabulary: int, validation: int = 0) -> TokenStream:
    """Return tokens of one sequence; so many of the rest, its first, are for validation."""
    begin = len(fitted)
    bounds = {"train": (0, begin), "test": (begin + validation, begin + len(rest))}
    bounds |= {"validation": (begin, begin + validation)} if validation else {}
    values = np.array([*fitted, *rest], np.int32)
    return TokenStream(values, np.arange(len(values), dtype=np.int32), bounds, vocabulary)


def lines(fitted: list[list[int]], rest: list[list[int]], vocabulary: int) -> TokenStream:
    """Return tokens of lines, each a sequence of its own."""
    values = np.array([token for line in [*fitted, *rest] for token in line], np.int32)
    before = np.array([at for line in [*fitted, *rest] for at in range(len(line))], np.int32)
    begin = sum(map(len, fitted))
    return TokenStream(values, before, {"train": (0, begin), "test": (begin, len(values))}, vocabulary)


def by_loop(fitted: list[list[int]], context: list[int], vocabulary: int, strength: float) -> list[float]:
    """Return the probability of each token after a context, by the formula."""
    size = len(context)
    seen = Counter(line[at] for line in fitted for at in range(size, len(line)) if line[at - size : at] == context)
    uniform = [0.0] + [1 / (vocabulary - 1)] * (vocabulary - 1)
    lower = by_loop(fitted, context[1:], vocabulary, strength) if context else uniform
    leant = strength * len(seen)
    if not seen:
        return lower
    return [(seen[token] + leant * lower[token]) / (seen.total() + leant) for token in range(vocabulary)]


TEXT = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12), min_size=1, max_size=4)


@settings(max_examples=60)
@given(TEXT, st.lists(st.integers(1, 4), max_size=5), st.integers(1, 4), st.sampled_from([1.0, 4.0]))
def test_each_probability_is_the_formulas_and_all_sum_to_one(
    fitted: list[list[int]], context: list[int], order: int, strength: float
) -> None:
    rest = [[*context, token] for token in range(1, 5)]
    tokens = lines(fitted, rest, 5)

    last = np.cumsum([len(line) for line in [*fitted, *rest]])[len(fitted) :] - 1
    told = list(witten_bell(counted(tokens, order, last), 5, len(last), strength))[-1]

    expected = by_loop(fitted, context[max(0, len(context) - order + 1) :], 5, strength)
    assert told.probability == pytest.approx(expected[1:])
    assert told.probability.sum() == pytest.approx(1)
    assert expected[told.guess[0]] == pytest.approx(max(expected))


def test_the_first_model_knows_no_context_and_the_last_all() -> None:
    tokens = stream([2, 3] * 20, [2, 3, 2, 3], 5)

    told = baselines(tokens, 3)

    assert list(told) == ["unigram", "bigram", "Witten-Bell 3-gram"]
    assert told["unigram"]["test"].probability == pytest.approx([(20 + 2 / 4) / 42] * 4)
    assert (told["bigram"]["test"].probability > 0.9).all()
    assert told["bigram"]["test"].guess.tolist() == [2, 3, 2, 3]


def test_what_is_told_is_parted_as_the_tokens_are() -> None:
    tokens = stream([2, 3, 2, 4] * 9, [2, 3, 4, 2, 3], 5, validation=2)

    told = baselines(tokens, 3)["Witten-Bell 3-gram"]

    alone = {part: counted(tokens, 3, tokens.scored(part)) for part in told}
    assert {part: len(said.guess) for part, said in told.items()} == {"validation": 2, "test": 3}
    for part, said in told.items():
        by_strength = [list(witten_bell(alone[part], 5, len(said.guess), one))[-1] for one in STRENGTHS]
        assert said.probability.tolist() in [one.probability.tolist() for one in by_strength]


def test_no_array_is_as_long_as_the_training_part() -> None:
    tokens = stream([2, 3, 4] * 1000, [2, 3, 4], 5)

    for grams in counted(tokens, 4, tokens.scored("test")):
        assert max(array.size for array in vars(grams).values() if isinstance(array, np.ndarray)) < 10


def test_an_order_of_two_is_the_bigram_alone() -> None:
    assert list(baselines(stream([2, 3, 2, 3], [2, 3], 4), 2)) == ["unigram", "bigram"]


def test_a_context_reaches_over_the_border_of_a_part_and_not_over_a_line() -> None:
    assert stream([2, 3], [4, 4], 5).scored("test").tolist() == [2, 3]
    assert lines([[2, 3]], [[4, 4, 2], [3, 2]], 5).scored("test").tolist() == [3, 4, 6]


def test_the_strength_is_chosen_on_validation() -> None:
    """After 2 came 3 only; validation has a 4 there, which a model that leans far on the unigram tells better."""
    tokens = stream([2, 3, 2, 3, 2, 3, 4, 4, 4, 4], [2, 4, 2, 4, 2, 3], 5, validation=4)
    judged = tokens.scored("validation")
    levels = counted(tokens, 2, judged)

    chosen = baselines(tokens, 2)["bigram"]["validation"].probability

    losses = {
        strength: -np.log(list(witten_bell(levels, 5, len(judged), strength))[-1].probability).sum()
        for strength in STRENGTHS
    }
    assert -np.log(chosen).sum() == pytest.approx(min(losses.values()))
    assert min(losses, key=lambda strength: losses[strength]) > 1

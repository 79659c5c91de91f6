"""Models of counts: how often a token followed the tokens before it in the training set, on the network's own tokens.

An n-gram model looks at the n - 1 tokens before. Where they were seen rarely it leans on the model of one token less,
as Witten and Bell (1991, "The zero-frequency problem", method C) have it, in the interpolated form of Chen and Goodman
(1999, "An empirical study of smoothing techniques for language modeling"):

    p(w | h) = (c(h w) + a N(h) p(w | h')) / (c(h) + a N(h))

where c counts in the training set, N(h) is how many different tokens followed h there, and h' is h without its first
token. The shortest model leans on one that finds every token but padding equally likely. The published formula has
a = 1; here it is the one of a few strengths that tells the validation set best, which is kinder to names that a new
play brings (tiny Shakespeare, 6 characters, fitted on its first 85 %: 2.53 bits a character of the last 10 % in place
of 2.88). All orders are computed by sorting, without a table of the whole vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]

STRENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class TokenStream:
    """All parts' tokens, one sequence after the other, training first."""

    values: Numbers  # (tokens,)
    before: Numbers  # (tokens,): how many tokens of its own sequence stand before each
    bounds: dict[str, tuple[int, int]]  # part to its first token and the one after its last
    vocabulary: int  # tokens that there are, padding, 0, among them

    def scored(self, part: str) -> Ids:
        """Return the positions of a part that have a token before them: those that are predicted."""
        begin, end = self.bounds[part]
        return begin + np.flatnonzero(self.before[begin:end] > 0)


@dataclass(frozen=True)
class TokenPredictions:
    """What a model says of tokens, (tokens,) each: the probability of what came, and its own best guess."""

    probability: Values
    guess: Numbers

    def split(self, ends: list[int]) -> "list[TokenPredictions]":
        """Return what it says of the tokens before each of some ends, from the one before on."""
        pairs = zip(np.split(self.probability, ends[:-1]), np.split(self.guess, ends[:-1]), strict=True)
        return [TokenPredictions(probability, guess) for probability, guess in pairs]


def baselines(tokens: TokenStream, order: int) -> dict[str, dict[str, TokenPredictions]]:
    """Return what the models of 1, 2 and `order` tokens say of the scored tokens of each part, by model and part.

    The strength of each is chosen on the validation set, where there is one. The training set is counted and not
    scored.
    """
    judged = {part: tokens.scored(part) for part in tokens.bounds if part != "train"}
    ends = np.cumsum([len(positions) for positions in judged.values()]).tolist()
    levels = counted(tokens, order, np.concatenate(list(judged.values())))
    shown = {1: "unigram", 2: "bigram"} | ({order: f"Witten-Bell {order}-gram"} if order > 2 else {})
    chosen = len(judged.get("validation", ())) > 0
    best: dict[int, tuple[float, dict[str, TokenPredictions]]] = {}
    for strength in STRENGTHS if chosen else STRENGTHS[:1]:
        for size, predictions in enumerate(witten_bell(levels, tokens.vocabulary, ends[-1], strength), start=1):
            parts = dict(zip(judged, predictions.split(ends), strict=True))
            loss = -float(np.log2(parts["validation"].probability).sum()) if chosen else 0.0
            if size in shown and (size not in best or loss < best[size][0]):
                best[size] = loss, parts
    return {name: best[size][1] for size, name in shown.items()}


def counted(tokens: TokenStream, order: int, judged: Ids) -> "list[Grams]":
    """Return how often n-grams of 1 token, 2 and so on to `order` were seen in the training set.

    Args:
        tokens: all parts' tokens.
        order: tokens of the longest n-gram.
        judged: positions, (judged,), of the tokens that the models are asked of.
    """
    fitted = tokens.bounds["train"][1]
    number = np.zeros(len(tokens.values), np.int32)  # of the pair of each context and token, one order shorter
    contexts, context_of = 1, number
    levels = []
    for length in range(order):
        deep = np.flatnonzero(tokens.before >= length)
        keys = context_of[deep].astype(np.int64) * tokens.vocabulary + tokens.values[deep]
        pairs, first, pair = np.unique(keys, return_index=True, return_inverse=True)
        context, token = np.divmod(pairs, tokens.vocabulary)
        count = np.bincount(pair[: np.searchsorted(deep, fitted)], minlength=len(pairs))
        shorter = number[deep[first]]
        number = np.zeros(len(tokens.values), np.int32)
        number[deep] = pair
        asked = np.flatnonzero(tokens.before[judged] >= length)
        kept = (context, token, count, shorter, asked, number[judged[asked]])
        levels.append(Grams(contexts, *(numbers.astype(np.int32) for numbers in kept)))
        contexts, context_of = len(pairs), np.roll(number, 1)  # a pair is the context of the token after it
    return levels


def witten_bell(
    levels: "list[Grams]", vocabulary: int, judged: int, strength: float = 1.0
) -> Iterator[TokenPredictions]:
    """Yield what the model of 1 token says of the judged tokens, then that of 2 tokens, and so on.

    A token with fewer before it in its sequence is predicted by the longest model that it has a context for.

    Args:
        levels: the counts, of 1 token first.
        vocabulary: tokens that there are, padding among them.
        judged: how many tokens are predicted.
        strength: how far shorter models are leant on, the formula's `a`.
    """
    uniform = 1 / (vocabulary - 1)
    predictions = TokenPredictions(np.full(judged, uniform), np.ones(judged, np.int32))
    by_pair = sure = np.array([uniform])  # of each pair; and of the likeliest token after each context
    guess, shorter_context = np.ones(1, np.int32), np.zeros(1, np.int32)
    for grams in levels:
        weight, seen = grams.leaning(strength)
        by_pair = grams.count / seen[grams.context] + weight[grams.context] * by_pair[grams.shorter]
        guess, sure = grams.guesses(by_pair, guess[shorter_context], weight * sure[shorter_context])
        shorter_context = grams.shorter  # a pair is a context of the next model
        predictions = TokenPredictions(predictions.probability.copy(), predictions.guess.copy())
        predictions.probability[grams.asked] = by_pair[grams.pair]
        predictions.guess[grams.asked] = guess[grams.context[grams.pair]]
        yield predictions


@dataclass(frozen=True)
class Grams:
    """The different pairs of context and token, in the order of both, and how often each was seen to train on.

    Nothing is kept of each position in the training set: the memory that this takes is bounded by the different pairs.
    """

    contexts: int  # how many there are: the pairs that are one token shorter
    context: Numbers  # (pairs,)
    token: Numbers  # (pairs,)
    count: Numbers  # (pairs,)
    shorter: Numbers  # (pairs,): the pair of the same token and a context without its first token
    asked: Numbers  # (asked,): which of the judged tokens have so long a context
    pair: Numbers  # (asked,): the pair of each

    def leaning(self, strength: float) -> tuple[Values, Values]:
        """Return how far each context leans on the shorter model, and what its counts are divided by."""
        total = np.bincount(self.context, weights=self.count, minlength=self.contexts)
        kinds = strength * np.bincount(self.context, weights=self.count > 0, minlength=self.contexts)
        seen = np.where(total > 0, total + kinds, 1.0)
        return np.where(total > 0, kinds / seen, 1.0), seen

    def guesses(self, by_pair: Values, shorter: Numbers, leant: Values) -> tuple[Numbers, Values]:
        """Return the likeliest token after each context, and its probability.

        It is one that followed the context, or else the shorter model's guess, whose probability here is `leant`:
        every other one that did not follow is less likely than that.
        """
        followed = np.flatnonzero(self.count)
        context, probability = self.context[followed], by_pair[followed]
        best = np.zeros(self.contexts)
        np.maximum.at(best, context, probability)
        reached = probability == best[context]
        guess = np.zeros(self.contexts, np.int32)
        guess[context[reached][::-1]] = self.token[followed[reached]][::-1]  # of equally likely ones the first stays
        likelier = (best > 0) & (best >= leant)
        return np.where(likelier, guess, shorter), np.where(likelier, best, leant)

"""Models of counts: how often a token followed the tokens before it in the training part, on the network's own tokens.

An n-gram model looks at the n - 1 tokens before. Where they were seen rarely it leans on the model of one token less,
as Witten and Bell (1991, "The zero-frequency problem", method C) have it, in the interpolated form of Chen and Goodman
(1999, "An empirical study of smoothing techniques for language modeling"):

    p(w | h) = (c(h w) + a N(h) p(w | h')) / (c(h) + a N(h))

where c counts in the training part, N(h) is how many different tokens followed h there, and h' is h without its first
token. The shortest model leans on one that finds every token but padding equally likely. The published formula has
a = 1; here it is the one of a few strengths that tells the validation part best, which is kinder to names that a new
play brings (tiny Shakespeare, 6 characters, fitted on its first 85 %: 2.53 bits a character of the last 10 % in place
of 2.88). All orders are computed by sorting, without a table of the whole vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

STRENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Tokens:
    """All parts' tokens, one sequence after the other, training first."""

    values: npt.NDArray[np.int32]  # (tokens,)
    before: Ids  # (tokens,): how many tokens of its own sequence stand before each
    bounds: dict[str, tuple[int, int]]  # part to its first token and the one after its last
    vocabulary: int  # tokens that there are, padding, 0, among them

    def scored(self, part: str) -> Ids:
        """Return the positions of a part that have a token before them: those that are predicted."""
        begin, end = self.bounds[part]
        return begin + np.flatnonzero(self.before[begin:end] > 0)


@dataclass(frozen=True)
class Told:
    """What a model says of tokens, (tokens,) each: the probability of what came, and its own best guess."""

    probability: Values
    guess: Ids

    def at(self, positions: Ids) -> "Told":
        """Return what it says of some of them."""
        return Told(self.probability[positions], self.guess[positions])


def baselines(tokens: Tokens, order: int) -> dict[str, Told]:
    """Return what the models of 1, 2 and `order` tokens say of every token, by their names.

    The strength of each is chosen on the validation part, where there is one.
    """
    levels = counted(tokens, order)
    shown = {1: "unigram", 2: "bigram"} | ({order: f"Witten-Bell {order}-gram"} if order > 2 else {})
    judged = tokens.scored("validation") if "validation" in tokens.bounds else np.zeros(0, np.int64)
    best: dict[int, tuple[float, Told]] = {}
    for strength in STRENGTHS if len(judged) else STRENGTHS[:1]:
        for size, told in enumerate(witten_bell(levels, tokens, strength), start=1):
            loss = -float(np.log2(told.probability[judged]).sum())
            if size in shown and (size not in best or loss < best[size][0]):
                best[size] = loss, told
    return {name: best[size][1] for size, name in shown.items()}


def counted(tokens: Tokens, order: int) -> "list[Grams]":
    """Return how often n-grams of 1 token, 2 and so on to `order` were seen in the training part."""
    size = len(tokens.values)
    fitted = np.arange(size) < tokens.bounds["train"][1]
    contexts = np.zeros(size, np.int64)  # number of the sequence of tokens before each, as long as the model looks back
    levels = []
    for length in range(order):
        at = np.flatnonzero(tokens.before >= length)
        levels.append(Grams.counted(at, contexts[at], tokens.values[at], fitted[at], tokens.vocabulary))
        longer = np.zeros(size, np.int64)
        longer[at] = levels[-1].of
        contexts = np.roll(longer, 1)  # the gram that ends before a token is the context of the next order
    return levels


def witten_bell(levels: "list[Grams]", tokens: Tokens, strength: float = 1.0) -> Iterator[Told]:
    """Yield what the model of 1 token says of every token of all parts, then that of 2 tokens, and so on.

    A token with fewer before it in its sequence is told by the longest model that it has a context for.

    Args:
        levels: the counts, of 1 token first.
        tokens: all parts' tokens.
        strength: how far shorter models are leant on, the formula's `a`.
    """
    size = len(tokens.values)
    told = Told(np.full(size, 1 / (tokens.vocabulary - 1)), np.ones(size, np.int64))
    best = told.probability  # of the best guesses
    for grams in levels:
        at, weight, seen = grams.at, *grams.leaning(strength)
        probability, guess, sure = told.probability.copy(), told.guess.copy(), best.copy()
        by_gram = grams.count / seen[grams.context] + weight[grams.context] * told.probability[at][grams.first]
        probability[at] = by_gram[grams.of]
        guess[at], sure[at] = grams.guesses(by_gram, weight, told.guess[at], best[at])
        told, best = Told(probability, guess), sure
        yield told


@dataclass(frozen=True)
class Grams:
    """The different pairs of context and token, and how often each was seen in the training part."""

    at: Ids  # (tokens,): positions that have so long a context
    of: Ids  # (tokens,): number of each one's pair
    first: Ids  # (pairs,): the first of them that has it
    context: Ids  # (pairs,)
    token: Ids  # (pairs,)
    count: Ids  # (pairs,)

    @classmethod
    def counted(
        cls, at: Ids, contexts: Ids, values: npt.NDArray[np.int32], fitted: npt.NDArray[np.bool_], vocabulary: int
    ) -> "Grams":
        """Count the pairs of a context and a token, where they are fitted on."""
        pairs, first, of = np.unique(contexts * vocabulary + values, return_index=True, return_inverse=True)
        context, token = np.divmod(pairs, vocabulary)
        return cls(at, of, first, context, token, np.bincount(of[fitted], minlength=len(pairs)))

    def leaning(self, strength: float) -> tuple[Values, Values]:
        """Return how far each context leans on the shorter model, and what its counts are divided by."""
        total = np.bincount(self.context, weights=self.count)
        kinds = strength * np.bincount(self.context, weights=self.count > 0)
        seen = np.where(total > 0, total + kinds, 1.0)
        return np.where(total > 0, kinds / seen, 1.0), seen

    def guesses(self, by_gram: Values, weight: Values, shorter: Ids, sure: Values) -> tuple[Ids, Values]:
        """Return the likeliest token after each position's context, and its probability.

        It is one that followed the context, or else the shorter model's guess: every other one that did not follow is
        less likely than that.
        """
        contexts = self.context[self.of]
        leant = weight[contexts] * sure
        order = np.lexsort((self.token, -by_gram, self.count == 0, self.context))
        best = order[np.unique(self.context[order], return_index=True)[1]]  # pair of each context, in their order
        number = np.zeros(len(weight), np.int64)
        number[self.context[best]] = best
        followed = number[contexts]
        likelier = (self.count[followed] > 0) & (by_gram[followed] >= leant)
        return np.where(likelier, self.token[followed], shorter), np.where(likelier, by_gram[followed], leant)

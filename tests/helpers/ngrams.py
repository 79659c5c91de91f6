"""N-gram tables in tests: token streams of lines, and probabilities looked up one by one.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

import numpy as np
import numpy.typing as npt

from gristmill.domains.generation.dataset import TokenStream
from gristmill.domains.generation.ngrams import Grams


def stream_of(lines: list[list[int]], vocabulary: int) -> TokenStream:
    """Return lines to train on, each a sequence of its own."""
    values = np.array([token for line in lines for token in line], np.int32)
    before = np.array([at for line in lines for at in range(len(line))], np.int32)
    return TokenStream(values, before, {"train": (0, len(values)), "test": (len(values), len(values))}, vocabulary)


def probabilities(tables: list[Grams], context: list[int], vocabulary: int) -> npt.NDArray[np.float64]:
    """Return the probability of each token after a context, by a loop over the tables."""
    found = np.full(vocabulary, 1 / (vocabulary - 1))
    found[0] = 0
    for length, grams in enumerate(tables[: len(context) + 1]):
        number = 0
        for at, token in enumerate(context[len(context) - length :]):
            places = np.flatnonzero(tables[at].keys == number * vocabulary + token)
            if not len(places):
                return found
            number = int(places[0])
        found = found * grams.weights[number]
        for token in range(vocabulary):
            found[token] += grams.shares[grams.keys == number * vocabulary + token].sum()
    return found

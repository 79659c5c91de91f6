"""How well next tokens are told: bits, perplexity, and how often the likeliest token was the one that came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.generation.baselines import TokenPredictions
from gristmill.runs.scores import MODEL, Scores, summarise


class GenerationScores(Scores):
    """Content of `scores.json` of a network that writes."""

    tokens: dict[str, int]  # predicted, by part
    unknown: dict[str, float]  # share of these tokens, by part


@dataclass(frozen=True)
class TokenOutcomes:
    """What became of a part's tokens, (tokens,) each."""

    bits: npt.NDArray[np.float64]  # -log2 of the probability that the token was given
    right: npt.NDArray[np.bool_]  # whether the likeliest token came

    @classmethod
    def of(cls, told: TokenPredictions, came: npt.NDArray[np.int32]) -> "TokenOutcomes":
        """Return the outcome of what was told of the tokens that came."""
        return cls(-np.log2(told.probability), told.guess == came)


def measure(outcome: TokenOutcomes, characters: int | None) -> dict[str, float]:
    """Return the scores of a part.

    `bits_per_character` is the bits of all its tokens by its characters: it compares models of different tokens, if
    these stand for all of the text.
    `perplexity` is 2 to the `bits_per_token`: among so many equally likely tokens a guess would be as hard.

    Args:
        outcome: of the tokens that are told.
        characters: that these tokens stand for; None where they do not stand for all of the text.
    """
    per_token = float(outcome.bits.mean())
    by_character = {} if characters is None else {"bits_per_character": float(outcome.bits.sum()) / characters}
    return by_character | {
        "bits_per_token": per_token,
        "perplexity": 2**per_token,
        "accuracy": float(outcome.right.mean()),
    }


def summarised(scores: Mapping[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Return the model's scores, the baselines', the best of them, and the headline: the first metric, in bits."""
    first, *others = scores[MODEL]["test"]
    shown = [first, *(name for name in others if name != "bits_per_token")]  # the perplexity says the same
    return summarise(scores, first, shown, higher_is_better=False)


def blocks(count: int, size: int) -> list[slice]:
    """Return slices of `size` of so many tokens, one after the other; the last one may be shorter."""
    return [slice(begin, begin + size) for begin in range(0, count, size)]

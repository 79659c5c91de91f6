"""Scores of next-token predictions: bits, perplexity and accuracy."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.scores import MODEL, ByMetric, ByPart, Scores, summarise
from gristmill.util.table_io import read_table, write_table

_VALIDATION = "validation.parquet"

MAX_UNKNOWN_SHARE = 0.001
"""Maximum share of unknown tokens for bits by character; more would distort them by over 1 %."""


class GenerationScores(Scores):
    """Content of `scores.json` of a generation pipeline."""

    tokens: dict[str, int]  # predicted, by part
    unknown: dict[str, float]  # share of these tokens, by part


@dataclass(frozen=True)
class TokenOutcomes:
    """Outcome of the predictions for the tokens of a part, (tokens,) each."""

    bits: npt.NDArray[np.float64]  # -log2 of the predicted probability of the token
    right: npt.NDArray[np.bool_] | None  # whether the most probable token was right; None for a mean

    @classmethod
    def of_validation(cls, train: Path) -> "TokenOutcomes":
        """Read the outcomes of the validation set that train wrote."""
        table = read_table(train / _VALIDATION)
        return cls(table["bits"].to_numpy(), table["right"].to_numpy() if "right" in table else None)

    def write_validation(self, train: Path) -> None:
        """Write `validation.parquet`, `bits` and, if known, `right` of each token of the validation set."""
        right = {} if self.right is None else {"right": self.right}
        write_table(train / _VALIDATION, pd.DataFrame({"bits": self.bits, **right}))


def measure(outcome: TokenOutcomes, characters: int | None) -> ByMetric:
    """Return the scores of a part.

    `bits_per_character` compares models with different tokens. `perplexity` is 2 to the power of `bits_per_token`: the
    number of equally likely tokens among which a guess would be as hard.
    `characters` is the number that the tokens represent; None if they do not represent the whole text.
    """
    scores: ByMetric = {}
    if characters is not None:
        scores["bits_per_character"] = float(outcome.bits.sum()) / characters
    per_token = float(outcome.bits.mean())
    accuracy = None if outcome.right is None else float(outcome.right.mean())
    return scores | {"bits_per_token": per_token, "perplexity": 2**per_token, "accuracy": accuracy}


def summarised(
    scores: Mapping[str, ByPart], selected: Mapping[str, Any] | None = None, candidates: Collection[str] = ()
) -> dict[str, Any]:
    """Return the model's scores, the baselines', the best of them, and the headline: the first metric, in bits.

    For `selected` and the names of other `candidates` see `gristmill.scores.summarise`.
    """
    first, *others = scores[MODEL]["test"]
    shown = [first, *(name for name in others if name != "bits_per_token")]  # the perplexity says the same
    return summarise(scores, first, shown, higher_is_better=False, selected=selected, others=candidates)

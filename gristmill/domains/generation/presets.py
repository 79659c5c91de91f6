"""Candidates of each preset, the cheapest first.

On the validation set of tiny Shakespeare, n-grams of 8 characters need 2.03 bits per token with a discount of 1.1, and
2.04 without. N-grams of 6 characters need 2.04 and 2.05, n-grams of 4 words 6.72 and 6.74. The network of `good` needs
2.02, its mean with n-grams of 8 characters 1.93. Networks train for minutes, n-grams for seconds.
"""

from typing import Any

_Point = dict[str, dict[str, Any]]


def _recurrent(kind: str, units: list[int], dropout: float, epochs: int) -> _Point:
    model = {"kind": kind, "recurrent": units, "dropout": dropout}
    return {"model": model, "train": {"epochs": epochs, "batch_size": 32, "learning_rate": 4e-3}}


_COUNTS: list[_Point] = [
    {"model": {"kind": "unigram"}},
    {"model": {"kind": "bigram"}},
    {"model": {"kind": "ngram", "order": 4, "discount": 1.1}},
    {"model": {"kind": "ngram", "order": 8, "discount": 1.1}},
]

PRESETS: dict[str, list[_Point]] = {
    "quick": [*_COUNTS, _recurrent("gru", [256], 0.1, epochs=4)],
    "good": [*_COUNTS, _recurrent("gru", [320], 0.1, epochs=12)],
    "best": [
        *_COUNTS,
        _recurrent("gru", [320], 0.1, epochs=12),
        _recurrent("lstm", [320], 0.1, epochs=12),
        _recurrent("gru", [512], 0.2, epochs=16),
    ],
}

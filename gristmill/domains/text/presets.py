"""Candidates of each preset, the cheapest first.

On the validation sets of reviews and headlines, the linear classifiers were the best single models, most of all with
pairs of distant words and the end of a text, where a reviewer's verdict often is. Networks make other errors, and so
lower the loss of the average. The networks without `patience` become too certain in their last epochs, so their
validation loss rises, but the loss of their probabilities at the best temperature falls to the end. With few texts,
networks that are trained from scratch learn little.
"""

from typing import Any

_Point = dict[str, dict[str, Any]]


def _network(model: dict[str, Any], **train: Any) -> _Point:
    return {"model": {**model, "units": [], "dropout": 0.5}, "train": train}


def _recurrent(kind: str) -> _Point:
    model = {"kind": kind, "recurrent": [48], "pooling": "max"}
    return _network(model, patience=2, epochs=5, learning_rate=2e-3)


def _linear(**char_ngrams: Any) -> list[_Point]:
    return [
        {"model": {"kind": "majority"}},
        {"model": {"kind": "nb_linear"}},
        {"model": {"kind": "char_ngrams", **char_ngrams}},
    ]


_EMBEDDING = _network(
    {"kind": "embedding", "dimensions": 32}, patience=2, epochs=8, learning_rate=3e-3, few_examples="refuse"
)
_DISTANT_PAIRS = {"kind": "nb_linear", "distance": 4, "ending": 40, "max_characters": 30_000_000}
_GOOD = [
    *_linear(max_characters=30_000_000),
    {"model": _DISTANT_PAIRS},
    _network({"kind": "embedding", "dimensions": 16, "pairs": 200_000}, epochs=6, learning_rate=8e-3),
    _network({"kind": "conv", "filters": [64], "pooling": "average"}, epochs=4, learning_rate=2e-3),
]

PRESETS: dict[str, list[_Point]] = {
    "quick": [*_linear(), _EMBEDDING],
    "good": _GOOD,
    "best": [*_GOOD, _recurrent("gru"), _recurrent("lstm")],
}

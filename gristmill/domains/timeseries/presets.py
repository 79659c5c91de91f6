"""Candidates of each preset for series, the cheapest first."""

from typing import Any

_Point = dict[str, dict[str, Any]]

_CLASSICAL: list[_Point] = [
    {"model": {"kind": kind}}
    for kind in ("naive", "seasonal_naive", "drift", "moving_average", "autoregression", "ets", "theta")
]
_LEARNED: list[_Point] = [{"model": {"kind": "ridge"}}, {"model": {"kind": "boosted_trees"}}]

_TRAINING = {"epochs": 30, "patience": 5, "batch_size": 128, "learning_rate": 2e-3}
_DENSE: _Point = {"model": {"kind": "dense", "units": [64, 32], "normalise": "last"}, "train": _TRAINING}
_CONV: _Point = {"model": {"kind": "conv", "filters": [32, 32, 32], "normalise": "last"}, "train": _TRAINING}
_GRU: _Point = {"model": {"kind": "gru", "units": [48], "normalise": "last"}, "train": _TRAINING}

PRESETS: dict[str, list[_Point]] = {
    "quick": [*_CLASSICAL, *_LEARNED],
    "good": [*_CLASSICAL, *_LEARNED, _DENSE],
    "best": [*_CLASSICAL, *_LEARNED, _DENSE, _CONV, _GRU],
}

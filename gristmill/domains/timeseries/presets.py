"""Candidates of each preset for series, the cheapest first.

In backtests of three blocks of monthly sunspots, the mean absolute errors were 18.2 (ridge), 18.3 (boosted trees), 18.6
(conv_lstm), 18.7 (multiscale) and 19.2 (dense), one seed each; 18.0 for the mean of the first three. On a thousand days
of weather, ridge had 2.3 and boosted trees 2.5. The networks conv and gru were not compared.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gristmill.settings.selection import Preset

_Point = dict[str, dict[str, Any]]

CLASSICAL = ("naive", "seasonal_naive", "drift", "moving_average", "autoregression", "ets", "theta")
"""Kinds that are fitted in closed form, the cheapest first."""

_CLASSICAL: list[_Point] = [{"model": {"kind": kind}} for kind in CLASSICAL]
_RIDGE: _Point = {"model": {"kind": "ridge"}}
_TREES: _Point = {"model": {"kind": "boosted_trees"}}
_TREES_ON_LEVELS: _Point = {"model": {"kind": "boosted_trees", "normalise": "none"}}

_TRAINING = {"epochs": 15, "batch_size": 64, "learning_rate": 2e-3}
_MULTISCALE: _Point = {"model": {"kind": "multiscale", "normalise": "last"}, "train": _TRAINING | {"epochs": 30}}
_CONV_LSTM: _Point = {"model": {"kind": "conv_lstm"}, "train": _TRAINING}
_CONV: _Point = {"model": {"kind": "conv", "normalise": "last"}, "train": _TRAINING}
_GRU: _Point = {"model": {"kind": "gru", "units": [48], "normalise": "last"}, "train": _TRAINING}

_QUICK = [*_CLASSICAL, _RIDGE, _TREES]
_NETWORKS = [_TREES_ON_LEVELS, _MULTISCALE, _CONV_LSTM]


def _good(tables: Mapping[str, Any]) -> list[_Point]:
    """Return the candidates of the preset good: no network for short series, on whose few blocks none can win."""
    split = getattr(tables.get("preprocess"), "split", "time")
    return [*_QUICK, *_NETWORKS] if split == "time" else _QUICK


PRESETS: dict[Preset, list[_Point] | Callable[[Mapping[str, Any]], list[_Point]]] = {
    "quick": _QUICK,
    "good": _good,
    "best": [*_QUICK, *_NETWORKS, _CONV, _GRU],
}
"""Candidates of each preset, or functions from the tables of a pipeline to them."""

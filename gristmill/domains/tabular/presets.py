"""Candidates of each preset for tables, the cheapest first."""

from typing import Any

_BASELINES: list[dict[str, Any]] = [{"model": {"kind": "mean"}}, {"model": {"kind": "least_squares"}}]
_CLOSED_FORM: list[dict[str, Any]] = [
    *_BASELINES,
    {"model": {"kind": "quadratic"}},
    {"model": {"kind": "piecewise_linear"}},
    {"model": {"kind": "kernel"}},
    {"model": {"kind": "boosted_trees"}},
    {"model": {"kind": "boosted_trees", "loss": "mae"}},
]


def _dense(units: list[int], pieces: int = 8, **train: Any) -> dict[str, Any]:
    training = {"epochs": 80, "patience": 12, "batch_size": 32, "learning_rate": 0.003, "loss": "mae"}
    model = {"kind": "dense", "units": units, "pieces": pieces, "skewed_target": "log"}
    return {"model": model, "train": training | train}


_SLOW_TREES: dict[str, Any] = {"kind": "boosted_trees", "learning_rate": 0.03, "leaves": 31, "depth": 8}

PRESETS: dict[str, list[dict[str, Any]]] = {
    "quick": _CLOSED_FORM,
    "good": [*_CLOSED_FORM, _dense([128, 64]), {"model": _SLOW_TREES}],
    "best": [
        *_CLOSED_FORM,
        _dense([128, 64]),
        {"model": _SLOW_TREES},
        {"model": _SLOW_TREES | {"loss": "mae"}},
        {"model": _SLOW_TREES | {"column_share": 0.6, "min_rows": 20}},
        _dense([128, 64], pieces=0, learning_rate=0.005, loss="huber"),
        _dense([256, 128], pieces=16, epochs=150, patience=20),
    ],
}

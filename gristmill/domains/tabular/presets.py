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


def _dense(units: list[int], pieces: int = 8, dropout: float = 0.1, **train: Any) -> dict[str, Any]:
    model = {"units": units, "pieces": pieces, "dropout": dropout, "skewed_target": "log"}
    training = {"epochs": 60, "patience": 8, "batch_size": 128, "learning_rate": 0.002, "loss": "huber", "folds": 3}
    return {"model": {"kind": "dense"} | model, "train": training | train}


_SLOW_TREES: dict[str, Any] = {"kind": "boosted_trees", "learning_rate": 0.03, "leaves": 31, "depth": 8}

PRESETS: dict[str, list[dict[str, Any]]] = {
    "quick": _CLOSED_FORM,
    "good": [*_CLOSED_FORM, _dense([64, 32]), {"model": _SLOW_TREES}],
    "best": [
        *_CLOSED_FORM,
        _dense([64, 32]),
        {"model": _SLOW_TREES},
        {"model": _SLOW_TREES | {"loss": "mae"}},
        {"model": _SLOW_TREES | {"column_share": 0.6, "min_rows": 20}},
        _dense([256, 128], pieces=16, dropout=0.2, epochs=150, patience=15),
        _dense([128, 128], pieces=0, loss="mae", epochs=150, patience=15),
    ],
}

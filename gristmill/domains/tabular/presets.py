"""Candidates of each preset for tables, the cheapest first."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gristmill.settings.base import Settings

Points = list[dict[str, Any]]

_NUMBERS: Points = [
    *({"model": {"kind": kind}} for kind in ("mean", "least_squares", "quadratic", "piecewise_linear", "kernel")),
    {"model": {"kind": "boosted_trees"}},
    {"model": {"kind": "boosted_trees", "loss": "mae"}},
]
_CLASSES: Points = [
    {"model": {"kind": kind}} for kind in ("majority", "logistic", "quadratic", "piecewise_linear", "boosted_trees")
]


def _dense(units: list[int], pieces: int = 8, **train: Any) -> dict[str, Any]:
    training = {"epochs": 80, "patience": 12, "batch_size": 32, "learning_rate": 0.003, "loss": "mae"}
    model = {"kind": "dense", "units": units, "pieces": pieces, "skewed_target": "log"}
    return {"model": model, "train": training | train}


_SLOW_TREES: dict[str, Any] = {"kind": "boosted_trees", "learning_rate": 0.03, "leaves": 31, "depth": 8}
_FEW_COLUMNS: dict[str, Any] = _SLOW_TREES | {"column_share": 0.6, "min_rows": 20}
_GOOD: Points = [_dense([128, 64]), {"model": _SLOW_TREES}]
_BEST: Points = [
    *_GOOD,
    {"model": _FEW_COLUMNS},
    _dense([128, 64], pieces=0, learning_rate=0.005, loss="huber"),
    _dense([256, 128], pieces=16, epochs=150, patience=20),
]


def _points(preset: str, tables: Mapping[str, Settings]) -> Points:
    """Return the candidates of a preset for the task of a pipeline."""
    is_class = getattr(tables.get("ingest"), "task", "regression") == "classification"
    more = {"quick": [], "good": _GOOD, "best": _BEST}[preset]
    if is_class:
        return [*_CLASSES, *more]
    return [*_NUMBERS, *more, *([{"model": _SLOW_TREES | {"loss": "mae"}}] if preset == "best" else [])]


PRESETS: dict[str, Callable[[Mapping[str, Settings]], Points]] = {
    name: partial(_points, name) for name in ("quick", "good", "best")
}

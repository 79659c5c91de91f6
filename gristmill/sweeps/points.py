"""The points of a sweep, each as the assignments that `--set` takes: listed, in every combination, or drawn."""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gristmill.config import catalogue
from gristmill.settings.sweep import Range, Sweep


def assignments(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """Yield the assignments of each point, such as `("model.units=[128]", "train.epochs=5")`.

    Draws are made one point after the other, so that more of them leave the first as they are.
    """
    if sweep.points:
        yield from (tuple(_listed(point)) for point in sweep.points)
        return
    axes = dict(_axes(sweep))
    if sweep.draws is None:
        combinations: Iterable[Iterable[Any]] = itertools.product(*axes.values())
    else:
        numbers = random.Random(sweep.seed)  # noqa: S311 - nothing secret is drawn
        combinations = [[_drawn(numbers, axis) for axis in axes.values()] for _ in range(sweep.draws)]
    for values in combinations:
        yield tuple(_assignment(key, value) for key, value in zip(axes, values, strict=True))


def _listed(point: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the assignments of a listed point; a table that names a kind stands in place of the whole table."""
    for table, values in point.items():
        if "kind" in values:
            yield _assignment(table, values)
        else:
            yield from (_assignment(f"{table}.{key}", value) for key, value in values.items())


def _axes(sweep: Sweep) -> Iterator[tuple[str, Any]]:
    """Yield (key, what to try): `model.units` and its values, or `model` and whole tables."""
    for table, axes in (sweep.model_extra or {}).items():
        if isinstance(axes, dict):
            yield from ((f"{table}.{key}", axis) for key, axis in axes.items())
        else:
            yield table, axes


def _drawn(numbers: random.Random, axis: Range | tuple[Any, ...]) -> Any:
    """Return one value; a fraction of four digits, which can be read and set again."""
    if isinstance(axis, tuple):
        return axis[int(numbers.random() * len(axis))]
    whole = isinstance(axis.low, int) and isinstance(axis.high, int)
    low, high = (axis.low, axis.high + whole)
    at = numbers.random()
    value = low * (high / low) ** at if axis.log else low + (high - low) * at
    return int(value) if whole else float(f"{value:.4g}")


def _assignment(key: str, value: Any) -> str:
    return f"{key}={catalogue.toml_value(value)}"

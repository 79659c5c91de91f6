"""The points of a sweep as assignments of `--set`: listed points, all combinations of axes, or random draws."""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gristmill.config.catalogue import toml_value
from gristmill.settings.sweep import Range, Sweep


def assignments(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """Yield the assignments of each point, such as `("model.units=[128]", "train.epochs=5")`.

    Points are drawn one after another, so that raising `draws` keeps the first ones.
    """
    if sweep.points:
        yield from (tuple(_listed(point)) for point in sweep.points)
        return
    axes = dict(_axes(sweep))
    if sweep.draws is None:
        combinations: Iterable[Iterable[Any]] = itertools.product(*axes.values())
    else:
        numbers = random.Random(sweep.seed)  # noqa: S311 - not for cryptography
        combinations = [[_draw(numbers, axis) for axis in axes.values()] for _ in range(sweep.draws)]
    for values in combinations:
        yield tuple(_assignment(key, value) for key, value in zip(axes, values, strict=True))


def _listed(point: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the assignments of a listed point; a table with a kind replaces the whole table."""
    for table, values in point.items():
        if "kind" in values:
            yield _assignment(table, values)
        else:
            yield from (_assignment(f"{table}.{key}", value) for key, value in values.items())


def _axes(sweep: Sweep) -> Iterator[tuple[str, Any]]:
    """Yield each key with what to try: `model.units` with values, or `model` with whole tables."""
    for table, axes in (sweep.model_extra or {}).items():
        if isinstance(axes, dict):
            yield from ((f"{table}.{key}", axis) for key, axis in axes.items())
        else:
            yield table, axes


def _draw(numbers: random.Random, axis: Range | tuple[Any, ...]) -> Any:
    """Draw one value; fractions get four digits, so that people can read and set them."""
    position = numbers.random()
    if isinstance(axis, tuple):
        return axis[int(position * len(axis))]
    whole = isinstance(axis.low, int) and isinstance(axis.high, int)
    low, high = axis.low, axis.high + whole
    value = low * (high / low) ** position if axis.log else low + (high - low) * position
    return int(value) if whole else float(f"{value:.4g}")


def _assignment(key: str, value: Any) -> str:
    return f"{key}={toml_value(value)}"

"""Numbers, scores and settings as text for people.

It is not part of the code of a stage, so that another format makes no result stale (`store/code_closure.py`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MISSING = "–"  # shown for a missing value

_DIGITS = 4  # significant digits of a number
_MAX_RANGE = 10_000  # a value smaller than the largest of its column by this factor does not add decimals
_MIN_PLAIN, _MAX_PLAIN = 1e-6, 1e15  # other sizes are shown with an exponent
_MAX_ROUNDING_ERROR = 1e-12  # smaller sizes are shown as 0
_PERCENT = {"skill": "+z,.1%", "coverage": ",.1%"}  # metrics that are shares, and their formats


def format_number(value: float, digits: int = _DIGITS) -> str:
    """Return a number as people write it: digits in groups, no exponent, no zeros after the last decimal.

    `12,680` for 12680.4, `0.4673` for 0.46731, `17` for 17.0, `0.00001` for 1e-5, `0` for 1.4e-17.
    """
    return format_numbers([value], digits)[0]


def format_numbers(values: Sequence[float | None], digits: int = _DIGITS, sign: bool = False) -> list[str]:
    """Return the numbers of a column, all with the same number of decimals.

    Each value has at least `digits` significant digits, one less if it is much smaller than the largest, and none if it
    is a rounding error: `12.918`, `29.900`, `0.118` and `0.000` for 12.918, 29.9, 0.118 and 1.4e-17. None becomes a
    dash. `sign` shows the sign of positive numbers too.
    """
    cleaned = [0.0 if value is not None and abs(value) < _MAX_ROUNDING_ERROR else value for value in values]
    shape = "+" * sign + _shape([value for value in cleaned if value is not None and math.isfinite(value)], digits)
    return [MISSING if value is None else format(value, shape) for value in cleaned]


def _shape(values: Sequence[float], digits: int) -> str:
    """Return the format of a column of finite numbers."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return ",.0f"
    largest = max(sizes)
    if not _MIN_PLAIN <= largest < _MAX_PLAIN:
        return f".{digits}g"
    relevant = [size for size in sizes if size >= largest / _MAX_RANGE]
    # Each size has some significant digits, one less if it is much smaller than the largest.
    decimals = 0
    for size in relevant:
        significant = digits - (size < largest / 10)
        exponent = int(f"{size:.{significant - 1}e}".partition("e")[2])
        decimals = max(decimals, significant - 1 - exponent)
    while decimals and all(f"{value:.{decimals}f}".endswith("0") for value in values):
        decimals -= 1
    return f"z,.{decimals}f"


def whole_percents(shares: Iterable[float]) -> list[int]:
    """Return shares of 1 in whole percents that sum to 100: the ones cut off most are rounded up.

    >>> whole_percents([0.525, 0.26, 0.215])
    [53, 26, 21]
    """
    exact = [100 * share for share in shares]
    whole = [int(value) for value in exact]
    cut_off = sorted(range(len(exact)), key=lambda at: whole[at] - exact[at])
    for at in cut_off[: round(sum(exact)) - sum(whole)]:
        whole[at] += 1
    return whole


def score(metric: str, value: float | None) -> str:
    """Return a score: a share in percent, a dash if it cannot be computed."""
    return score_column(metric, [value])[0]


def score_column(metric: str, values: Sequence[float | None]) -> list[str]:
    """Return a column of scores of one metric, all with the same number of decimals."""
    if metric not in _PERCENT:
        return format_numbers(values)
    return [MISSING if value is None else format(value, _PERCENT[metric]) for value in values]


def score_rows(metrics: Iterable[str], named: Iterable[tuple[str, Mapping[str, float | None]]]) -> list[list[str]]:
    """Return the rows of a table of scores; `metrics` are its columns, `named` the name and scores of each row."""
    names, scores = zip(*named, strict=True)
    columns = [score_column(metric, [row.get(metric) for row in scores]) for metric in metrics]
    return [list(row) for row in zip(names, *columns, strict=True)]


def setting_text(value: Any) -> str:
    """Return the value of a setting as text: the items of an array, or a dash for none."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else MISSING if value is None else str(value)

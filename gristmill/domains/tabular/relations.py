"""Exact relations between columns of numbers, which are compared within the rounding of their digits.

A column may be a linear function, logarithm, exponential or power of another one, the sum, difference, product or ratio
of two, also of their powers, or a sum, difference or mean of several.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]

MIN_ROWS = 30
"""Rows below which a relation may be chance."""
_MIN_DISTINCT = 10  # different values of a number that is explained
_MAX_ROUNDING = 0.05  # of numbers, in standard deviations of the target; coarser ones may agree by chance
_MAX_TARGET_ROUNDING = 0.15  # the same if only the target is rounded
_MIN_EXPLAINED = 0.998  # share of the variance that candidates explain; rounding makes it lower than 1
_MIN_UNEXPLAINED = 1e-9  # share of a column's variance that another one leaves, so that both count
_MAX_DIFFERENCE = 0.02  # of factors or powers that are equal but for rounding


@dataclass(frozen=True)
class _Number:
    """A column of numbers, or of their logarithms, with the possible rounding error of each."""

    name: str
    values: Values  # NaN for missing ones
    rounding: Values

    @property
    def logarithm(self) -> "_Number | None":
        """The logarithms of the positive numbers; None if a number is negative, or many are 0."""
        if np.nanmin(self.values) < 0 or np.nanmean(self.values > 0) < 0.5:
            return None
        positive = np.where(self.values > 0, self.values, np.nan)
        return _Number(self.name, np.log(positive), self.rounding / positive)

    @property
    def one_more(self) -> "_Number":
        """The numbers plus 1."""
        return _Number(self.name, self.values + 1, self.rounding)


def _number(cells: "pd.Series[Any]", distinct: int = 2) -> _Number | None:
    """Return a column of numbers; None if fewer are different."""
    values = cells.to_numpy(np.float64)
    if len(np.unique(values[np.isfinite(values)])) < distinct:
        return None
    return _Number(str(cells.name), values, np.full(len(values), _rounding(values)))


def _rounding(values: Values) -> float:
    """Return half a unit of the last digit in which numbers differ: 0.05 for 0.1, 2.5 and 10."""
    known = values[np.isfinite(values)]
    for digits in range(-6, 10):
        scaled = known * 10.0**digits
        if (np.abs(scaled - np.round(scaled)) <= 1e-6).all():
            return float(0.5 * 10.0**-digits)
    return float(1e-7 * np.abs(known).max())


def same_order(columns: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which columns order the rows nearly like which others, or in reverse, (columns, others)."""
    width = columns.shape[1]
    ranks = pd.concat([columns.rank(), others.rank()], axis=1, ignore_index=True)
    correlations = ranks.corr(min_periods=MIN_ROWS).to_numpy(np.float64)[:width, width:]
    return np.asarray(np.abs(correlations) >= _MIN_EXPLAINED)


def function_of_one(target: "pd.Series[Any]", column: "pd.Series[Any]") -> str:
    """Return the linear, logarithmic, exponential or power relation of a target to a column; empty if there is none."""
    known, other = _number(target, _MIN_DISTINCT), _number(column, _MIN_DISTINCT)
    if not known or not other:
        return ""
    name = repr(other.name)
    relations = {
        f"is a linear function of {name}": (known, other),
        f"is the logarithm of {name}": (known, other.logarithm),
        f"is the logarithm of {name} + 1": (known, other.one_more.logarithm),
        f"is the exponential of {name}": (known.logarithm, other),
        f"is the exponential of {name}, minus 1": (known.one_more.logarithm, other),
        f"is a power of {name}": (known.logarithm, other.logarithm),
    }
    for relation, (scaled, scaled_other) in relations.items():
        if scaled and scaled_other and _coefficients(scaled, [scaled_other]) is not None:
            return relation
    return ""


def functions_of_several(
    target: "pd.Series[Any]", numbers: pd.DataFrame, dates: pd.DataFrame
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the names of two columns that determine a target, or of several, and its relation to them.

    `dates` are numbers of days, whose differences may be the target.
    """
    known = _number(target, _MIN_DISTINCT)
    if not known:
        return
    columns = [*filter(None, (_number(numbers[name]) for name in numbers))]
    days = [_Number(str(name), dates[name].to_numpy(np.float64), np.zeros(len(dates))) for name in dates]
    logarithms = [*filter(None, (column.logarithm for column in columns))]
    explained = set[str]()
    for scaled, candidates, describe in (
        (known, columns, _describe_sum),
        (known.logarithm, logarithms, _describe_product),
        (known, days, _describe_span),
    ):
        for pair in _likely_pairs(scaled, candidates) if scaled else ():
            names = (pair[0].name, pair[1].name)
            if explained.isdisjoint(names) and scaled and (slopes := _coefficients(scaled, pair)) is not None:
                explained |= {*names}
                yield names, describe(names, slopes)
    if not explained and (slopes_of := _summands(known, columns)):
        yield tuple(slopes_of), _describe_several(slopes_of)


def _coefficients(target: _Number, columns: Sequence[_Number]) -> Values | None:
    """Return the slope of each column, and the intercept, if the target is their linear function within rounding."""
    # Fit the rows without missing numbers.
    design = np.column_stack([*(column.values for column in columns), np.ones(len(target.values))])
    rows = np.isfinite(target.values) & np.isfinite(design).all(axis=1)
    if rows.sum() < MIN_ROWS + len(columns):
        return None
    values, design = target.values[rows], design[rows]
    means = np.append(design[:, :-1].mean(axis=0), 0)  # for precision
    fitted = np.asarray(np.linalg.lstsq(design - means, values, rcond=None)[0], np.float64)
    residuals = np.abs(values - (design - means) @ fitted)
    smallest = min(values.std(), (np.abs(fitted[:-1]) * design[:, :-1].std(axis=0)).min())
    # Compare each residual with the rounding of the target, and with that of all numbers in its row.
    of_target = target.rounding[rows] + 1e-9 * np.abs(values).max()
    of_all = of_target + np.column_stack([column.rounding[rows] for column in columns]) @ np.abs(fitted[:-1])
    agrees = residuals.max() <= 1e-6 * smallest
    for allowed, most in ((of_target, _MAX_TARGET_ROUNDING), (of_all, _MAX_ROUNDING)):
        agrees |= (residuals <= 1.5 * allowed).all() and allowed.mean() <= most * smallest  # it also changes the slopes
    return fitted if agrees else None


def _likely_pairs(target: _Number, columns: Sequence[_Number]) -> Iterator[tuple[_Number, _Number]]:
    """Yield the pairs of columns that explain nearly all of the target, by their correlations."""
    values = pd.DataFrame({at: number.values for at, number in enumerate((target, *columns))})
    correlation = values.corr(min_periods=MIN_ROWS).to_numpy()
    for first, second in itertools.combinations(range(len(columns)), 2):
        to_first, to_second = correlation[0, first + 1], correlation[0, second + 1]
        between = correlation[first + 1, second + 1]
        unexplained = 1 - between**2
        explained = to_first**2 + to_second**2 - 2 * to_first * to_second * between
        if unexplained > _MIN_UNEXPLAINED and explained >= _MIN_EXPLAINED * unexplained:
            yield columns[first], columns[second]


def _summands(target: _Number, columns: Sequence[_Number]) -> dict[str, float]:
    """Return at least three columns, and the factor of each, if the target is their sum with equal factors or signs."""
    if len(columns) < 3:
        return {}
    values = np.column_stack([column.values for column in columns])
    rows = np.isfinite(target.values) & np.isfinite(values).all(axis=1)
    if rows.sum() < MIN_ROWS + 2 * len(columns):
        return {}
    # Columns whose factor is that of the most important one take part.
    centred = values[rows] - values[rows].mean(axis=0)
    slopes = np.linalg.lstsq(centred, target.values[rows] - target.values[rows].mean(), rcond=None)[0]
    factor = np.abs(slopes[np.argmax(np.abs(slopes) * centred.std(axis=0))])
    parts = [column for column, slope in zip(columns, slopes, strict=True) if _are_equal(abs(slope), factor)]
    fitted = _coefficients(target, parts) if len(parts) > 2 else None
    if fitted is None or not np.allclose(np.abs(fitted[:-1]), factor, rtol=1e-3):
        return {}
    return {column.name: float(slope) for column, slope in zip(parts, fitted[:-1], strict=True)}


def _are_equal(slope: float, factor: float) -> bool:
    return factor > 0 and abs(slope / factor - 1) <= _MAX_DIFFERENCE


def _describe_sum(names: tuple[str, str], slopes: Values) -> str:
    return _describe_pair(names, slopes, 1e-3, "+", "-", "weighted sum")


def _describe_product(names: tuple[str, str], slopes: Values) -> str:
    return _describe_pair(names, slopes, _MAX_DIFFERENCE, "*", "/", "product of powers")


def _describe_pair(
    names: tuple[str, str], slopes: Values, tolerance: float, plus: str, minus: str, otherwise: str
) -> str:
    first, second = map(repr, names)
    if not np.isclose(np.abs(slopes[:2]), 1, atol=tolerance).all() or slopes[:2].max() < 0:
        return f"is a {otherwise} of {first} and {second}"
    if slopes[:2].min() > 0:
        return f"is {first} {plus} {second}"
    return f"is {first} {minus} {second}" if slopes[0] > 0 else f"is {second} {minus} {first}"


def _describe_span(names: tuple[str, str], slopes: Values) -> str:
    first, second = map(repr, names if slopes[1] > 0 else names[::-1])
    return f"is the time from {first} to {second}"


def _describe_several(slopes: Mapping[str, float]) -> str:
    """Return the relation to three or more columns with equal factors."""
    added = [repr(name) for name, slope in slopes.items() if slope > 0]
    taken = [repr(name) for name, slope in slopes.items() if slope < 0]
    factor = abs(next(iter(slopes.values())))
    is_mean = np.isclose(factor * len(slopes), 1, rtol=1e-3)
    if not taken and (is_mean or np.isclose(factor, 1, rtol=1e-3)):
        return f"is the {'mean' if is_mean else 'sum'} of {', '.join(added)}"
    terms = f"{' + '.join(added)}{''.join(f' - {name}' for name in taken)}"
    return f"is {terms.strip()}" if np.isclose(factor, 1, rtol=1e-3) else f"is a multiple of {terms.strip()}"

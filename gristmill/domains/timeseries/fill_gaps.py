"""Holes in series: points of the grid without a value, filled from those around them.

Every function takes the values of one column on the grids of all series, one after the other, with NaN for holes, and
the number of each point's series. No value crosses from one series into another. A hole at the end of a series, where
it has a value on one side only, takes that value.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.seasonality import find_season

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Policy = Literal["interpolate", "forward_fill", "seasonal"]

SEASONS = 3  # of which the shape across a hole is the mean
FAR = 10  # seasons away that these may lie


def interpolate(values: Values, series: Integers) -> Values:
    """Return the values with holes on straight lines between their ends."""
    holes, left, right = _neighbours(values, series)
    before, behind = values[left], values[right]
    share = np.divide(holes - left, right - left, out=np.zeros(len(holes)), where=right > left)
    return _filled(values, holes, before + (behind - before) * share)


def forward_fill(values: Values, series: Integers) -> Values:
    """Return the values with each hole at the last value before it."""
    holes, left, _ = _neighbours(values, series)
    return _filled(values, holes, values[left])


def seasonal(values: Values, series: Integers) -> Values:
    """Return the values with holes in the shape of other seasons; on straight lines where a series has no season.

    The shape is the mean of up to three seasons before the hole, of those that have all values there; later ones would
    tell a window what comes after it. What it differs by at both ends of the hole is spread over it in a straight line.
    """
    filled = interpolate(values, series)
    for number in np.unique(series[np.isnan(values)]):
        own = slice(*np.searchsorted(series, (number, number + 1)))
        if season := find_season(filled[own]):
            filled[own] = _in_season(values[own], filled[own], season)
    return filled


def _in_season(values: Values, straight: Values, season: int) -> Values:
    """Return the values of one series with holes filled in season, or left straight where no season before is whole."""
    filled = straight.copy()
    edges = np.flatnonzero(np.diff(np.isnan(values)))  # the point before a hole, the last of it, and so on
    edges = edges[1:] if np.isnan(values[0]) else edges
    for before, last in zip(edges[::2], edges[1::2], strict=False):
        if (shape := _shape(values, before, last + 2, season)) is not None:
            misses = values[before] - shape[0], values[last + 1] - shape[-1]
            filled[before : last + 2] = shape + np.linspace(*misses, len(shape))
    return filled


def _shape(values: Values, start: int, stop: int, season: int) -> Values | None:
    """Return the mean of the nearest whole stretches that lie seasons before `start` to `stop`."""
    starts = [start - season * count for count in range(1, FAR + 1)]
    stretches = [values[at : at + stop - start] for at in starts if at >= 0]
    whole = [stretch for stretch in stretches if not np.isnan(stretch).any()][:SEASONS]
    if not whole:
        return None
    mean: Values = np.mean(whole, axis=0)
    return mean


def _neighbours(values: Values, series: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the holes and, for each, the nearest points of its series with a value before and behind it.

    Where one side has none, the point on the other side stands for both; where neither has, the hole itself.
    """
    holes, there = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    if not len(there):
        return holes, holes, holes
    at = np.searchsorted(there, holes)
    left, right = there[np.maximum(at - 1, 0)], there[np.minimum(at, len(there) - 1)]
    has_left = (left < holes) & (series[left] == series[holes])
    has_right = (right > holes) & (series[right] == series[holes])
    other = np.where(has_right, right, holes)
    left = np.where(has_left, left, other)
    return holes, left, np.where(has_right, right, left)


def _filled(values: Values, holes: Integers, found: Values) -> Values:
    filled = values.copy()
    filled[holes] = found
    return filled


FILLERS: dict[Policy, Callable[[Values, Integers], Values]] = {
    "interpolate": interpolate,
    "forward_fill": forward_fill,
    "seasonal": seasonal,
}
"""Policy to the function that fills by it."""

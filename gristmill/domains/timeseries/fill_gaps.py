"""Fill gaps: grid points without a value are filled from the values around them.

Every function takes the values of one column on the grids of all series in sequence, with NaN for gaps, and the number
of each point's series. No value is used for another series. A gap at the start or the end of a series takes the
nearest value.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.seasonality import find_season

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Policy = Literal["interpolate", "forward_fill", "seasonal"]

SEASONS_AVERAGED = 3  # earlier seasons whose mean fills a gap
MAX_SEASONS_BACK = 10  # maximum distance of these seasons from the gap, in seasons


def interpolate(values: Values, series: Integers) -> Values:
    """Return the values with gaps filled by straight lines."""
    missing, left, right = _neighbours(values, series)
    before, after = values[left], values[right]
    share = np.divide(missing - left, right - left, out=np.zeros(len(missing)), where=right > left)
    return _filled(values, missing, before + (after - before) * share)


def forward_fill(values: Values, series: Integers) -> Values:
    """Return the values with each gap filled by the last value before it."""
    missing, left, _ = _neighbours(values, series)
    return _filled(values, missing, values[left])


def seasonal(values: Values, series: Integers) -> Values:
    """Return the values with gaps filled by the shape of earlier seasons, or by straight lines without a season.

    The shape is the mean of up to three earlier seasons that are complete there; later seasons would leak the future
    into a window. Its differences from the values at both ends of the gap are corrected by a straight line.
    """
    filled = interpolate(values, series)
    for number in np.unique(series[np.isnan(values)]):
        of_series = slice(*np.searchsorted(series, (number, number + 1)))
        if season := find_season(filled[of_series]):
            filled[of_series] = _in_season(values[of_series], filled[of_series], season)
    return filled


def _in_season(values: Values, straight: Values, season: int) -> Values:
    """Return the values of one series with gaps in season, or on the straight line if no earlier season is complete."""
    filled = straight.copy()
    edges = np.flatnonzero(np.diff(np.isnan(values)))  # alternating: the point before a gap and its last point
    edges = edges[1:] if np.isnan(values[0]) else edges
    for before, last in zip(edges[::2], edges[1::2], strict=False):
        if (shape := _shape(values, before, last + 2, season)) is not None:
            misses = values[before] - shape[0], values[last + 1] - shape[-1]
            filled[before : last + 2] = shape + np.linspace(*misses, len(shape))
    return filled


def _shape(values: Values, start: int, stop: int, season: int) -> Values | None:
    """Return the mean of the nearest complete ranges that are whole seasons before `start` to `stop`."""
    starts = [start - season * count for count in range(1, MAX_SEASONS_BACK + 1)]
    ranges = [values[at : at + stop - start] for at in starts if at >= 0]
    complete = [part for part in ranges if not np.isnan(part).any()][:SEASONS_AVERAGED]
    return np.asarray(np.mean(complete, axis=0)) if complete else None


def _neighbours(values: Values, series: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the missing points and, for each, the nearest points of its series with a value before and after it.

    If one side has none, the point of the other side is used for both; if neither has, the missing point itself.
    """
    missing, present = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    if not len(present):
        return missing, missing, missing
    at = np.searchsorted(present, missing)
    left, right = present[np.maximum(at - 1, 0)], present[np.minimum(at, len(present) - 1)]
    has_left = (left < missing) & (series[left] == series[missing])
    has_right = (right > missing) & (series[right] == series[missing])
    other = np.where(has_right, right, missing)
    left = np.where(has_left, left, other)
    return missing, left, np.where(has_right, right, left)


def _filled(values: Values, missing: Integers, replacements: Values) -> Values:
    filled = values.copy()
    filled[missing] = replacements
    return filled


FILLERS: dict[Policy, Callable[[Values, Integers], Values]] = {
    "interpolate": interpolate,
    "forward_fill": forward_fill,
    "seasonal": seasonal,
}
"""Function of each policy."""

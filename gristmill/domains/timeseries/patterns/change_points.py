"""Change points: positions where the level or the slope of a series changes.

The method has three steps:

1. Subtract the season.
2. Subtract the autocorrelation of neighbouring values; otherwise a series that wanders would be split into many
   segments. The autocorrelation is estimated from differences over one and two observations, few of which contain a
   change point (after Chakar, Lebarbier, Lévy-Leduc & Robin, "A robust approach for estimating change-points in the
   mean of an AR(1) process", Bernoulli 23, 2017, with trimmed means, which vary less than their medians).
3. Split the remainder into straight lines by the exact search of Jackson et al., "An algorithm for optimal
   partitioning of data on an interval", IEEE Signal Processing Letters 12, 2005. Each further segment costs 3 log n
   (Zhang & Siegmund, Biometrics 63, 2007), so that it must explain more than chance.

If the level follows a random walk, some segments are not real regimes.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.patterns.decomposition import MAX_OBSERVATIONS, decompose

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

MAX_POINTS = 1_500  # longer series are averaged to this many points before the search
MAX_PLACES = 500  # candidate positions of change points
MIN_SEGMENT_POINTS = 10  # a segment is also at least one season long
_TRIMMED_NORMAL = 0.9248  # mean square of standard normal values without the largest 1 %
_MAX_AUTOCORRELATION = 1.0  # above it a shift and a wandering level look the same


@dataclass(frozen=True)
class Segment:
    """Observations `begin` to `end` (exclusive) of a series, between two change points, and the line through them."""

    begin: int
    end: int
    level: float  # mean
    slope: float  # change per observation
    deviation: float  # standard deviation of the values around the line, season included


def segments(values: Values, season: int | None) -> list[Segment]:
    """Return the segments between the change points of a series, in order.

    No segment is shorter than a season, which is a number of observations.
    """
    lines = []
    for begin, end in itertools.pairwise([0, *change_points(values, season), len(values)]):
        piece = values[begin:end]
        time = np.arange(len(piece)) - (len(piece) - 1) / 2
        slope = float(time @ piece / (time @ time)) if len(piece) > 1 else 0.0
        level = float(piece.mean())
        lines.append(Segment(begin, end, level, slope, float((piece - level - slope * time).std())))
    return lines


def change_points(values: Values, season: int | None) -> list[int]:
    """Return the positions of the change points."""
    # 1. Subtract the season, which does not change its shape in a series too long for STL. Average a long series; an
    # incomplete last block is left out.
    if len(values) <= MAX_OBSERVATIONS or not season or 2 * season > len(values):
        seasonal = decompose(values, season)[1]
    else:
        periods = values[: len(values) // season * season].reshape(-1, season)
        shape = (periods - periods.mean(axis=1, keepdims=True)).mean(axis=0)
        seasonal = np.resize(shape, len(values))
    size = -(-len(values) // MAX_POINTS)
    whole = len(values) // size * size
    points = np.asarray((values - seasonal)[:whole].reshape(-1, size).mean(axis=1))

    # 2. Subtract the autocorrelation.
    shortest = max(MIN_SEGMENT_POINTS, -(-(season or 0) // size))
    if len(points) <= 2 * shortest:
        return []
    spread = [_trimmed(points[lag:] - points[:-lag], 0.05) for lag in (1, 2)]
    autocorrelation = float(np.clip(spread[1] / spread[0] - 1, 0, _MAX_AUTOCORRELATION)) if spread[0] else 0.0
    independent = points[1:] - autocorrelation * points[:-1]
    steps = np.diff(independent)
    # Only 1 % is trimmed, because tails are noise too; nothing is trimmed if the rest is 0, as between exact steps.
    square = _trimmed(steps, 0.01) / _TRIMMED_NORMAL or np.square(steps).mean()
    deviation = float(np.sqrt(square / 2))
    if deviation == 0:
        return []

    # 3. Split the remainder; its first point has no predecessor and was dropped.
    places = np.arange(0, len(independent), 1 + len(independent) // MAX_PLACES)
    splits = _best_split(independent / deviation, places, shortest, 3 * np.log(len(independent)))
    return [(split + 1) * size for split in splits]


def _best_split(points: Values, places: Places, shortest: int, penalty: float) -> list[int]:
    """Return the change points with the lowest total cost; `places` are the candidates, of which the first is 0.

    The cost is the sum of squared residuals and a penalty for each line. `best` has the cost of the points before each
    place, and `last` the place where the last of their lines begins.
    """
    sums = _running_sums(points)
    ends = np.append(places, len(points))
    best, last = np.full(len(ends), np.inf), np.zeros(len(ends), int)
    best[0] = 0
    for number, end in enumerate(ends):
        starts = ends[: np.searchsorted(ends, end - shortest, side="right")]
        if len(starts):
            costs = best[: len(starts)] + _squared_residuals(sums, starts, end) + penalty
            last[number] = costs.argmin()
            best[number] = costs[last[number]]
    splits, number = [], int(last[-1])
    while number:
        splits.append(int(ends[number]))
        number = int(last[number])
    return splits[::-1]


def _running_sums(points: Values) -> Values:
    """Return running sums for `_squared_residuals`, which is equally fast for short and long segments with them."""
    time = np.arange(len(points)) - len(points) / 2  # centred, like the values: less cancellation
    values = points - points.mean()
    products = (np.ones(len(time)), time, time**2, values, time * values, values**2)
    return np.array([np.concatenate([[0.0], np.cumsum(product)]) for product in products])


def _squared_residuals(sums: Values, starts: Places, end: int) -> Values:
    """Return the squared residuals of the lines through the points from each start to an end (exclusive)."""
    count, x, xx, y, xy, yy = sums[:, [end]] - sums[:, starts]
    spread, along = xx - x * x / count, xy - x * y / count
    explained = np.divide(along * along, spread, out=np.zeros(len(starts)), where=spread > 0)
    return np.asarray(yy - y * y / count - explained)


def _trimmed(steps: Values, share: float) -> float:
    """Return the mean square of steps without a share of the largest, which may contain change points."""
    squares = np.sort(np.square(steps))
    return float(squares[: max(1, len(squares) - int(np.ceil(share * len(squares))))].mean())

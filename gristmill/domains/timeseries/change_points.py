"""Where a series changes its regime: its level or its slope, seasons and noise apart.

The season is taken out, neighbours that resemble each other are made independent, and what is left is split into
straight pieces by the exact search of Killick, Fearnhead & Eckley, "Optimal detection of changepoints with a linear
computational cost", JASA 107, 2012. A piece more must explain more than chance would: it costs 3 log n (Zhang &
Siegmund, Biometrics 63, 2007). Without the second step a series that wanders would fall into many pieces: its
autocorrelation comes from differences over one and two observations, which changes of regime leave as they are but for
a few (after Chakar, Lebarbier, Lévy-Leduc & Robin, "A robust approach for estimating change-points in the mean of an
AR(1) process", Bernoulli 23, 2017; they take medians, which vary more than the trimmed means here). Where the level
wanders like a random walk, some pieces remain that are no regimes.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ruptures.base import BaseCost
from ruptures.detection import Pelt

from gristmill.domains.timeseries.decomposition import LONGEST, decompose

Values = npt.NDArray[np.float64]

POINTS = 1_500  # that the search sees; longer series are averaged to as many
SHORTEST = 10  # points of a regime at least, and one season
_NORMAL = 0.9248  # mean square of normal values without the hundredth farthest out, in variances
_MOST_ALIKE = 1.0  # autocorrelation; beyond it a shift and a wandering level look the same

_SHIFTS = 10  # injected, one at a time
_SIZE = 5.0  # deviations of the series around its regimes
_NEAR = 0.02  # of the series: how far from its place a shift may be found


@dataclass(frozen=True)
class Segment:
    """A regime: observations `begin` to `end` (exclusive) of a series, and the line through them."""

    begin: int
    end: int
    level: float  # mean
    slope: float  # per observation
    deviation: float  # of the values around the line, season included


def segments(values: Values, season: int | None) -> list[Segment]:
    """Return the regimes of a series, in order; one where it never changes.

    Args:
        values: (observations,), on a regular grid.
        season: in observations; no regime is shorter.
    """
    edges = [0, *changes(values, season), len(values)]
    return [_segment(values, begin, end) for begin, end in itertools.pairwise(edges)]


def changes(values: Values, season: int | None) -> list[int]:
    """Return the positions at which a new regime begins."""
    size = -(-len(values) // POINTS)
    points = _averaged(values - _seasonal(values, season), size)
    shortest = max(SHORTEST, -(-(season or 0) // size))
    independent, deviation = _independent(points)
    if deviation == 0 or len(independent) < 2 * shortest:
        return []
    search = Pelt(custom_cost=_Lines(shortest), min_size=shortest, jump=1 + len(independent) // 500)
    search.fit(independent / deviation)
    found = search.predict(pen=3 * np.log(len(independent)))[:-1]
    return [(at + 1) * size for at in found]  # the first point has no predecessor to be made independent of


def score_changes(values: Values, season: int | None, seed: int) -> dict[str, float | None]:
    """Return how well shifts of the level are found that are injected one at a time.

    Each lies in the middle four fifths and lifts all values from there on by five deviations of the series around its
    regimes. Found means: a change within 2 % of the series that was not there before.

    Returns:
        `injected`, `recall`, `distance` (observations between a shift and where it was found, the mean; None where
        none was found) and `new_elsewhere` (changes that appeared at other places, a shift).
    """
    random = np.random.default_rng(seed)
    count = len(values)
    before = changes(values, season)
    lift = _SIZE * _pooled_deviation(segments(values, season))
    reach = max(2, _NEAR * count)
    places = random.integers(count // 10, count - count // 10, _SHIFTS)
    distances, elsewhere = [], 0
    for place in places:
        lifted = np.where(np.arange(count) >= place, values + lift, values)
        found = [at for at in changes(lifted, season) if _distance(at, before) > reach]
        nearest = _distance(place, found)
        if nearest <= reach:
            distances.append(nearest)
        elsewhere += sum(1 for at in found if abs(at - place) > reach)
    return {
        "injected": _SHIFTS,
        "recall": len(distances) / _SHIFTS,
        "distance": float(np.mean(distances)) if distances else None,
        "new_elsewhere": elsewhere / _SHIFTS,
    }


class _Lines(BaseCost):
    """The squares that a straight line leaves of a piece, from running sums: as fast for long pieces as for short."""

    model = "line"

    def __init__(self, min_size: int) -> None:
        self.min_size = min_size

    def fit(self, signal: Values) -> "_Lines":
        """Take the points to be split."""
        self.signal = signal
        at, values = np.arange(len(signal)) - len(signal) / 2, signal - signal.mean()  # centred: less is cancelled
        products = (np.ones(len(at)), at, at**2, values, at * values, values**2)
        self._sums = [np.concatenate([[0.0], np.cumsum(product)]).tolist() for product in products]
        return self

    def error(self, start: int, end: int) -> float:
        """Return the sum of squares around the line through points `start` to `end` (exclusive)."""
        count, x, xx, y, xy, yy = (sums[end] - sums[start] for sums in self._sums)
        spread = xx - x * x / count
        along = xy - x * y / count
        return float(yy - y * y / count - (along * along / spread if spread > 0 else 0.0))


def _seasonal(values: Values, season: int | None) -> Values:
    """Return the part of the season in each value: it may change by and by, but in a long series it stays as it is."""
    if len(values) <= LONGEST or not season or 2 * season > len(values):
        return decompose(values, season)[1]
    periods = values[: len(values) // season * season].reshape(-1, season)
    shape = (periods - periods.mean(axis=1, keepdims=True)).mean(axis=0)
    return np.resize(shape, len(values))


def _averaged(values: Values, size: int) -> Values:
    """Return the means of blocks of `size` observations; a last block that is not full is left out."""
    whole = len(values) // size * size
    means: Values = values[:whole].reshape(-1, size).mean(axis=1)
    return means


def _independent(points: Values) -> tuple[Values, float]:
    """Return the points less what their predecessors tell of them, and the deviation of what is left."""
    if len(points) < 3:
        return points[1:], 0.0
    apart = [_trimmed(points[lag:] - points[:-lag], 0.05) for lag in (1, 2)]
    alike = float(np.clip(apart[1] / apart[0] - 1, 0, _MOST_ALIKE)) if apart[0] else 0.0
    independent = points[1:] - alike * points[:-1]
    steps = np.diff(independent)
    # Few are left out, for the tails are noise too; all count where the others are 0, as between exact steps.
    square = _trimmed(steps, 0.01) / _NORMAL or np.square(steps).mean()
    return independent, float(np.sqrt(square / 2))


def _trimmed(steps: Values, share: float) -> float:
    """Return the mean square of steps without a share of the largest, among which changes of regime are."""
    squares = np.sort(np.square(steps))
    return float(squares[: max(1, len(squares) - int(np.ceil(share * len(squares))))].mean())


def _segment(values: Values, begin: int, end: int) -> Segment:
    piece = values[begin:end]
    at = np.arange(len(piece)) - (len(piece) - 1) / 2
    slope = float(at @ piece / (at @ at)) if len(piece) > 1 else 0.0
    level = float(piece.mean())
    return Segment(begin, end, level, slope, float((piece - level - slope * at).std()))


def _pooled_deviation(regimes: list[Segment]) -> float:
    squares = sum((regime.end - regime.begin) * regime.deviation**2 for regime in regimes)
    return float(np.sqrt(squares / regimes[-1].end))


def _distance(place: int, others: list[int]) -> float:
    """Return how far the nearest of others is; infinity where there is none."""
    return min((abs(other - place) for other in others), default=float("inf"))

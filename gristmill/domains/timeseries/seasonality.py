"""The length of a series' season, found without being told.

A season is a shape that comes back at equal distances, whatever drifts beneath it. Three steps:

1. Candidates are the hills of the autocorrelation, that of the series without its straight line and that of its steps.
2. Each is tested for replication: the whole periods are laid below each other, each without its mean, and their common
   shape is compared with what differs between them by the F ratio of a one-way analysis of variance. A random walk
   wanders anew in each period, so it passes no more often than white noise does, although its autocorrelation has
   hills. Correlated neighbours and heavy tails leave fewer degrees of freedom than there are values, and count so.
3. Of those that pass, the shortest that explains at least half as much as the best is taken: multiples of a season
   repeat as well, and of a week within a year the stronger one counts.

Sources: Vlachos, Yu & Castelli, "On periodicity detection and structural periodic similarity", SDM 2005 (hills of the
autocorrelation as candidates, each to be confirmed); Paulson, "An approximate normalization of the analysis of variance
distribution", Annals of Mathematical Statistics 13(2), 1942.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

LONGEST = 20_000  # observations, the last ones: older ones would cost time and rarely change the answer
CANDIDATES = 20  # hills of each autocorrelation
MORE = 1.05  # times as much as its half or third a season has to explain
APART = 4  # times as long as another season one is no longer a multiple of it, but a season of its own


def find_season(values: Values, most: int | None = None) -> int | None:
    """Return the season's length in observations, or None where nothing repeats beyond chance.

    The same values give the same answer. Whole numbers only: of a season of 365.25 days 365 is found, and where few
    periods are seen in noise, it may be off by a hundredth.

    Args:
        values: (observations,), on a regular grid; the last 20,000 are looked at.
        most: the longest season to look for; half the series at most, so that each is seen twice.
    """
    values = _without_line(np.asarray(values, np.float64)[-LONGEST:])
    longest = min(len(values) // 2, most or len(values))
    if longest < 2 or not values.any():
        return None
    threshold = 2 + float(np.sqrt(2 * np.log(len(values))))  # the largest of so many draws, and a margin
    explains = {
        length: explained(values, length)
        for length in _candidates(values, longest)
        if replication(values, length) > threshold
    }
    if not explains:
        return None
    season = min(length for length, variance in explains.items() if variance >= max(explains.values()) / 2)
    season = _whole(values, season, longest, threshold)
    shortest = min(explains)
    if shortest * APART < season:  # such as the week in a year, which would draw 365 days to 52 weeks
        values = values - _shape(values, shortest)
    return _refined(values, season, longest)


def replication(values: Values, length: int) -> float:
    """Return how far a series repeats at a distance, in standard deviations of what chance gives; 0 where it does not.

    Where the series holds a part of a period, it is left out at either end and the lesser result counts: what lies in
    it, such as an outlier that tilted the line, shall not be overlooked.

    Args:
        values: (observations,), without trend.
        length: the distance; at most half as long as the series.
    """
    return min(_score(periods) for periods in _ends(values, length))


def explained(values: Values, length: int) -> float:
    """Return the variance of the shape common to all periods of this length, less what chance adds to it."""
    between, within = np.mean([_variances(periods) for periods in _ends(values, length)], axis=0)
    return float((between - within) * (length - 1) / length / (len(values) // length))


def _ends(values: Values, length: int) -> tuple[Values, Values]:
    """Return the first and the last whole periods, each less its mean: (periods, length)."""
    over = len(values) % length
    parts = (values[: len(values) - over], values[over:])
    first, last = (part.reshape(-1, length) - part.reshape(-1, length).mean(axis=1, keepdims=True) for part in parts)
    return first, last


def _variances(periods: Values) -> tuple[float, float]:
    """Return the mean squares between the places of a period and within them, equal where nothing repeats."""
    count, length = periods.shape
    between = count * np.square(periods.mean(axis=0)).sum()
    within = max(np.square(periods).sum() - between, 0.0)
    return float(between / (length - 1)), float(within / ((count - 1) * (length - 1)))


def _score(periods: Values) -> float:
    """Return the F ratio of the two variances as a standard normal value (Paulson)."""
    between, within = _variances(periods)
    if between <= within:
        return 0.0
    freedom = _freedom(periods - periods.mean(axis=0))
    ratio = np.cbrt(between / max(within, 1e-12 * between))
    chance = 2 / (9 * freedom), 2 / (9 * freedom * (len(periods) - 1))
    score = ((1 - chance[1]) * ratio - (1 - chance[0])) / np.sqrt(chance[1] * ratio**2 + chance[0])
    return float(score)


def _freedom(rest: Values) -> float:
    """Return how many independent normal values a period of `rest` (periods, length) is worth.

    Correlated neighbours count as fewer (Bartlett's formula), and so do heavy tails, whose variance is less certain.
    """
    length, square = rest.shape[1], np.square(rest)
    if not rest.any():
        return float(length - 1)
    lags = autocorrelation(rest.ravel())[1:length] * (1 - np.arange(1, length) / length)
    tails = np.square(square).mean() / square.mean() ** 2  # 3 for normal values
    worth = length / (1 + 2 * np.square(lags).sum()) * min(1.0, 2 / max(tails - 1, 1e-12))
    return float(np.clip(worth, 1, length - 1))


def autocorrelation(values: Values) -> Values:
    """Return the autocorrelation at lags 0, 1, …, n - 1, by FFT; 0 from lag 1 on for a constant series."""
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * len(values))
    products = np.fft.irfft(spectrum * spectrum.conj())[: len(values)]
    made: Values = products / products[0] if products[0] > 0 else np.eye(1, len(values))[0]
    return made


def _candidates(values: Values, longest: int) -> set[int]:
    """Return the lags of the hills, placed well enough not to slip by more than an eighth over all periods."""
    hills = {lag for looked_at in (values, np.diff(values)) for lag in _hills(looked_at, longest)[:CANDIDATES]}
    return {_refined(values, lag, longest, max(1, lag * lag // (4 * len(values)))) for lag in hills}


def _hills(values: Values, longest: int) -> list[int]:
    """Return the lags where the autocorrelation is highest around and has risen by at least half the most."""
    lags = len(values) - np.arange(len(values))
    heights = (autocorrelation(values) * len(values) / lags)[: longest + longest // 10 + 2]  # as if from equally many
    rises = heights - np.minimum.accumulate(heights)
    hills = []
    for lag in range(2, min(longest, len(heights) - 2) + 1):
        near = max(1, lag // 10)
        if heights[lag] == heights[lag - near : lag + near + 1].max():
            hills.append(lag)
    highest = max((rises[lag] for lag in hills), default=0.0)
    return [lag for lag in hills if rises[lag] >= highest / 2 > 0]


def _whole(values: Values, part: int, longest: int, threshold: float) -> int:
    """Return the season that `part` is a half or a third of, or `part` itself: a day has two rush hours."""
    rest, least = values - _shape(values, part), MORE * explained(values, part)
    for length in (2 * part, 3 * part):
        if length <= longest and explained(values, length) > least and replication(rest, length) > threshold:
            return _whole(values, length, longest, threshold)
    return part


def _refined(values: Values, season: int, longest: int, step: int = 1) -> int:
    """Return the length within 5 % of `season`, one at least, that repeats best: noise shifts a hill's top."""
    near = max(1, season // 20 // step) * step
    lengths = [length for length in range(season - near, season + near + 1, step) if 2 <= length <= longest]

    def differs(length: int) -> float:
        between, within = np.mean([_variances(periods) for periods in _ends(values, length)], axis=0)
        return float(within / max(between + (len(values) // length - 1) * within, 1e-300))  # of the whole variance

    return min(lengths, key=differs)


def _shape(values: Values, season: int) -> Values:
    """Return the mean of each place in the season, repeated over the series."""
    places = np.arange(len(values)) % season
    means = np.bincount(places, values) / np.bincount(places)
    shape: Values = means[places]
    return shape


def _without_line(values: Values) -> Values:
    """Return the values less their least-squares line, to deviation 1; zeros where only rounding is left."""
    if len(values) < 2:
        return np.zeros_like(values)
    time, centred = np.linspace(-1, 1, len(values)), values - values.mean()
    rest: Values = centred - time * (time @ centred) / (time @ time)
    return rest / rest.std() if np.ptp(rest) > 1e-9 * max(np.ptp(values), abs(values[0])) else np.zeros_like(values)

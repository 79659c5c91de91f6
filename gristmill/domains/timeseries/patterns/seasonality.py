"""Find the length of a series' season.

A season is a shape that repeats at equal distances, whatever the trend. The search has three steps:

1. Candidates are the peaks of the autocorrelation of the series without its linear trend, and of its differences.
2. Each candidate is tested for replication. The means of all periods are removed, and the variance of their common
   shape is compared with the variance between periods by the F ratio of a one-way analysis of variance. A random walk
   passes no more often than white noise, although its autocorrelation has peaks, because it differs in each period.
   Autocorrelation and heavy tails reduce the degrees of freedom.
3. The shortest candidate that explains at least half as much as the best is taken. Multiples of a season repeat as
   well, and for a week within a year the stronger one counts.

Sources: Vlachos, Yu & Castelli, "On periodicity detection and structural periodic similarity", SDM 2005 (peaks of
the autocorrelation as candidates, each to be confirmed); Paulson, "An approximate normalization of the analysis of
variance distribution", Annals of Mathematical Statistics 13(2), 1942.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MAX_OBSERVATIONS = 20_000  # only the last observations are used; older ones rarely change the result
MAX_CANDIDATES = 20  # peaks used of each autocorrelation
MIN_GAIN = 1.05  # a multiple of a season must explain this many times as much as the season
NESTED_RATIO = 4  # a season this many times longer than the shortest is independent, not a multiple


def find_season(values: Values) -> int | None:
    """Return the number of observations in a season, or None if nothing repeats more than by chance.

    The result is a whole number: 365 for a season of 365.25 days. With few periods and noise it may be off by 1 %. Only
    the last 20,000 values are used. A season is never longer than half the series.
    """
    values = np.asarray(values, np.float64)[-MAX_OBSERVATIONS:]
    longest = len(values) // 2
    if longest < 2:
        return None

    # Subtract the least-squares line, and scale the rest to deviation 1, unless it is only rounding errors.
    time, centred = np.linspace(-1, 1, len(values)), values - values.mean()
    rest = centred - time * (time @ centred) / (time @ time)
    varies = np.ptp(rest) > 1e-9 * max(np.ptp(values), abs(values[0]))
    if not varies:
        return None
    values = rest / rest.std()

    # 1. Find candidates, exact enough to be off by at most an eighth of a period over all periods.
    peaks = {lag for series in (values, np.diff(values)) for lag in _peaks(series, longest)[:MAX_CANDIDATES]}
    candidates = {_refined(values, lag, longest, max(1, lag * lag // (4 * len(values)))) for lag in peaks}

    # 2. Test them for replication.
    threshold = 2 + float(np.sqrt(2 * np.log(len(values))))  # expected maximum of as many random draws, and a margin
    replicated = [length for length in candidates if replication(values, length) > threshold]
    explains = {length: explained(values, length) for length in replicated}
    if not explains:
        return None

    # 3. Take the shortest that explains enough, and refine its length.
    season = min(length for length, variance in explains.items() if variance >= max(explains.values()) / 2)
    season = _whole(values, season, longest, threshold)
    shortest = min(explains)
    if shortest * NESTED_RATIO < season:  # otherwise a week within a year would turn 365 days into 52 weeks
        values = values - _shape(values, shortest)
    return _refined(values, season, longest)


def replication(values: Values, length: int) -> float:
    """Return how strongly values without trend repeat at a distance, in standard deviations of chance; 0 if not at all.

    An incomplete period is left out once at each end and the smaller result counts, so that an outlier in it has an
    effect. The distance is at most half the length of the series.
    """
    scores = []
    for periods in _ends(values, length):
        between, within = _variances(periods)
        if between <= within:
            return 0.0
        # The F ratio of the two variances as a standard normal value (Paulson).
        freedom = _freedom(periods - periods.mean(axis=0))
        ratio = np.cbrt(between / max(within, 1e-12 * between))
        chance = 2 / (9 * freedom), 2 / (9 * freedom * (len(periods) - 1))
        score = ((1 - chance[1]) * ratio - (1 - chance[0])) / np.sqrt(chance[1] * ratio**2 + chance[0])
        scores.append(float(score))
    return min(scores)


def explained(values: Values, length: int) -> float:
    """Return the variance of the common shape of all periods of this length, minus the part expected by chance."""
    between, within = np.mean([_variances(periods) for periods in _ends(values, length)], axis=0)
    return float((between - within) * (length - 1) / length / (len(values) // length))


def _ends(values: Values, length: int) -> tuple[Values, Values]:
    """Return the first and the last complete periods without their means, (periods, length) each."""
    over = len(values) % length
    parts = (values[: len(values) - over], values[over:])
    first, last = (part.reshape(-1, length) - part.reshape(-1, length).mean(axis=1, keepdims=True) for part in parts)
    return first, last


def _variances(periods: Values) -> tuple[float, float]:
    """Return the mean squares between and within the positions of a period; they are equal if nothing repeats."""
    count, length = periods.shape
    between = count * np.square(periods.mean(axis=0)).sum()
    within = max(np.square(periods).sum() - between, 0.0)
    return float(between / (length - 1)), float(within / ((count - 1) * (length - 1)))


def _freedom(rest: Values) -> float:
    """Return the effective number of independent normal values in a period of `rest`, (periods, length).

    Autocorrelation (Bartlett's formula) and heavy tails, whose variance is less certain, reduce it.
    """
    length, square = rest.shape[1], np.square(rest)
    if not rest.any():
        return float(length - 1)
    lags = autocorrelation(rest.ravel())[1:length] * (1 - np.arange(1, length) / length)
    tails = np.square(square).mean() / square.mean() ** 2  # 3 for normal values
    effective = length / (1 + 2 * np.square(lags).sum()) * min(1.0, 2 / max(tails - 1, 1e-12))
    return float(np.clip(effective, 1, length - 1))


def autocorrelation(values: Values) -> Values:
    """Return the autocorrelation at lags 0, 1, …, n - 1, by FFT; 0 from lag 1 for a constant series."""
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * len(values))
    products = np.fft.irfft(spectrum * spectrum.conj())[: len(values)]
    return np.asarray(products / products[0] if products[0] > 0 else np.eye(1, len(values))[0])


def _peaks(values: Values, longest: int) -> list[int]:
    """Return the lags of local maxima of the autocorrelation that rise at least half as much as the largest."""
    lags = len(values) - np.arange(len(values))
    heights = (autocorrelation(values) * len(values) / lags)[: longest + longest // 10 + 2]  # per pair
    rises = heights - np.minimum.accumulate(heights)
    peaks = []
    for lag in range(2, min(longest, len(heights) - 2) + 1):
        near = max(1, lag // 10)
        if heights[lag] == heights[lag - near : lag + near + 1].max():
            peaks.append(lag)
    highest = max((rises[lag] for lag in peaks), default=0.0)
    return [lag for lag in peaks if rises[lag] >= highest / 2 > 0]


def _whole(values: Values, part: int, longest: int, threshold: float) -> int:
    """Return the season of which `part` is a half or a third, or `part` itself; a day has two rush hours."""
    rest = values - _shape(values, part)
    minimum = MIN_GAIN * explained(values, part)
    for length in (2 * part, 3 * part):
        if length <= longest and explained(values, length) > minimum and replication(rest, length) > threshold:
            return _whole(values, length, longest, threshold)
    return part


def _refined(values: Values, season: int, longest: int, step: int = 1) -> int:
    """Return the length within 5 % of `season` that repeats best, because noise shifts a peak."""
    near = max(1, season // 20 // step) * step
    lengths = [length for length in range(season - near, season + near + 1, step) if 2 <= length <= longest]

    def differs(length: int) -> float:
        between, within = np.mean([_variances(periods) for periods in _ends(values, length)], axis=0)
        return float(within / max(between + (len(values) // length - 1) * within, 1e-300))  # share of the variance

    return min(lengths, key=differs)


def _shape(values: Values, season: int) -> Values:
    """Return the mean of each position in the season, repeated over the series."""
    phases = np.arange(len(values)) % season
    return np.asarray((np.bincount(phases, values) / np.bincount(phases))[phases])

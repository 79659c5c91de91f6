"""Drift of values in the order of time, tested again after every arrival.

A test that is repeated with every arrival raises a false alarm sooner or later. Therefore, each time at which a change
may have begun gets a share of `MAX_FALSE_ALARMS`, and the shares of all times, however many will come, add up to it. A
test depends only on the values since the training, not on earlier tests. An alarm lasts as long as the newest values
show the change.

Sources: Shin, Ramdas & Rinaldo, "E-Detectors", New England Journal of Statistics in Data Science 2(2), 2024, for the
shares; Willsky & Jones, "A Generalized Likelihood Ratio Approach to the Detection and Estimation of Jumps in Linear
Systems", IEEE Transactions on Automatic Control 21(1), 1976, for the tests of all possible times.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from gristmill.retraining.drift import MAX_TRAINING_VALUES, Values
from gristmill.runs.retraining_record import MAX_FALSE_ALARMS, ErrorDrift, InputDrift

_HALF_SPENT = 300  # number of first values that get half of the false alarms
_MIN_LENGTH = 6  # number of values after a change, if there are so many; times that are closer are not distinguished
_MAX_LENGTH = 96  # number of newest values in which a change of an input is looked for
_TRAINING_RATIO = 3  # minimum number of training values for each value after a change
_LARGE_QUANTILE = 0.9  # of the errors on held-out data; larger errors count as large
_ERRORS_MARGIN = 1.5  # standard errors added to the correlation of errors, of which few are held out
_MAX_CORRELATION = 0.99  # upper limit of the estimate
_MIN_DEVIATION = 1e-9  # smaller deviations are rounding errors of constant columns
_MAX_DEVIATIONS = 6  # values farther outside the training values are cut there
_TAIL_SHARE = 0.1  # share of the largest innovations that shows how heavy the tails are
_MIN_TAIL, _MAX_SCORE = 0.1, 6.0  # limits of an estimated tail index, and of scores beyond all known innovations
_SPREAD_DEVIATION, _SPREAD_SKEWNESS = 0.641, 1.14  # of `_spread` of a normal variable


def series_error_drift(new: Iterable[Values], before: Iterable[Values]) -> ErrorDrift | None:
    """Compare the champion's new errors with those on held-out data, each given in stretches in the order of time.

    The newest 6, 12, 24, ... errors are compared, and all of them, so that many earlier errors do not hide a change.
    Errors that are not finite count as larger than all others.
    """
    fresh, known = ([np.where(np.isnan(errors), np.inf, errors) for errors in stretches] for stretches in (new, before))
    if not sum(map(len, fresh)) or not sum(map(len, known)):
        return None
    latest, held_out = np.concatenate(fresh), np.concatenate(known)
    large = float(np.quantile(held_out, _LARGE_QUANTILE, method="inverted_cdf"))
    scores, scored = tail_scores(latest, held_out), [normal_scores(errors, held_out) for errors in known]
    doublings = range(math.ceil(math.log2(max(1.0, len(latest) / _MIN_LENGTH))))
    starts = [0, *(len(latest) - _MIN_LENGTH * 2**power for power in doublings)]
    # Tests at times less than the shortest length apart are nearly the same, so one of them gets the shares of all.
    chances = [_at_any_time(_chance_of_errors(scores[start:], scored) / _MIN_LENGTH, start) for start in starts]
    return ErrorDrift(
        count=len(latest),
        mean=float(latest.mean()),
        mean_before=float(held_out.mean()),
        large=large,
        run=max(_longest_run(errors > large) for errors in fresh),
        run_before=max(_longest_run(errors > large) for errors in known),
        probability=min(1.0, *chances),
        threshold=MAX_FALSE_ALARMS,
    )


def _at_any_time(chance: float, start: int) -> float:
    """Return the p-value `chance` of a change at `start`, adjusted for all times at which a change may begin.

    Times are counted from the end of the training. Their shares, c / ((start + c) (start + c + 1)), add up to 1.
    """
    return chance * (start + _HALF_SPENT) * (start + _HALF_SPENT + 1) / _HALF_SPENT


def _longest_run(marks: npt.NDArray[np.bool_]) -> int:
    return max((len(list(group)) for mark, group in groupby(marks.tolist()) if mark), default=0)


def _chance_of_errors(new: Values, known: list[Values]) -> float:
    """Return the p-value of the mean normal score of the new errors, by Welch's t test against the held-out errors.

    The test models autocorrelated errors as a first-order autoregression and uses the effective number of independent
    errors for each mean. The correlation is estimated from the held-out errors only, so additional large errors never
    weaken an alarm. The p-value is never smaller than the share of held-out means that are as high.

    Sources: Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are
    Involved", Biometrika 34, 1947; Bayley & Hammersley, "The 'Effective' Number of Independent Observations in an
    Autocorrelated Time Series", Supplement to the Journal of the Royal Statistical Society 8(2), 1946.
    """
    held_out = np.concatenate(known)
    count, middle = len(held_out), held_out.mean()
    squares = float(np.square(held_out - middle).sum())
    if squares == 0:  # all held-out errors are equal: the next one is larger with this probability
        return (count + 1.0) ** -len(new) if new.min() > middle else 1.0
    correlation = _correlation(known, _ERRORS_MARGIN)
    # Get the variances of the means of so many values of an autoregression with variance 1.
    shares = []
    for length in (len(new), count):
        lags = np.arange(1, length)
        shares.append(float(1 + 2 * ((1 - lags / length) * correlation**lags).sum()) / length)
    share, share_before = shares
    # Compare the means.
    freedom = 1 / share_before - 1
    if freedom < 1:
        return 1.0
    welch = (share + share_before) ** 2 / (share**3 + share_before**2 / freedom)
    error = math.sqrt(squares / count / (1 - share_before) * (share + share_before))
    probability = float(student.sf((new.mean() - middle) / error, min(welch, freedom)))
    sums = np.cumsum(np.concatenate([[0.0], held_out]))
    length = min(len(new), count)
    return max(probability, float(((sums[length:] - sums[:-length]) / length >= new.mean()).mean()))


def _correlation(stretches: list[Values], margin: float = 1.0) -> float:
    """Return the correlation of neighbours, corrected for the bias of few values, plus some standard errors.

    Source: Kendall, "Note on Bias in the Estimation of Autocorrelation", Biometrika 41, 1954.
    """
    values = np.concatenate(stretches)
    count, middle = len(values), values.mean()
    products = sum(float((stretch[:-1] - middle) @ (stretch[1:] - middle)) for stretch in stretches)
    correlation = products / float(np.square(values - middle).sum())
    correlation += (1 + 3 * correlation) / count
    correlation += margin * math.sqrt(max(0.0, 1 - correlation**2) / count)
    return min(max(correlation, 0.0), _MAX_CORRELATION)


def normal_scores(values: Values, known: Values) -> Values:
    """Return the quantiles of values among known ones as quantiles of the normal distribution.

    Source: van der Waerden, "Order Tests for the Two-Sample Problem and Their Power", Indagationes Mathematicae 14,
    1952.
    """
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    scores: Values = ndtri((0.5 * (below + upto) + 0.5) / (len(known) + 1))
    return scores


def tail_scores(values: Values, known: Values) -> Values:
    """Return `normal_scores`, in which values beyond all known ones follow the tail of these.

    Ranks say little about such values. The tail index is estimated, plus one standard error. Known values are either
    all positive, or their tails are assumed to be alike.

    Source: Hill, "A Simple General Approach to Inference about the Tail of a Distribution", Annals of Statistics 3(5),
    1975.
    """
    scores, sizes = normal_scores(values, known), np.sort(abs(known[np.isfinite(known)]))
    tail = sizes[-max(2, round(_TAIL_SHARE * len(sizes))) :]
    beyond = abs(values) > max(abs(known))
    if len(tail) < 2 or tail[0] == 0 or not beyond.any():
        return scores
    index = max(float(np.log(tail / tail[0]).mean()), _MIN_TAIL) * (1 + 1 / math.sqrt(len(tail)))
    share = len(tail) / len(known) / (1 if known.min() >= 0 else 2)
    shares = share * (abs(values[beyond]) / tail[0]) ** (-1 / index)
    shares = np.minimum(shares, 0.5 / (len(known) + 1))
    scores[beyond] = np.sign(values[beyond]) * np.minimum(-ndtri(shares), _MAX_SCORE)
    return scores


def series_input_drift(name: str, new: Values, trained: Values) -> InputDrift:
    """Look for a change of level or spread, and for a value that does not change any more, among the newest values.

    Level and spread are those of the innovations: what a first-order autoregression of the training values does not
    explain. A season that is new changes their spread, too. All times up to the newest 96 values are tested.
    """
    trained = trained[-MAX_TRAINING_VALUES:]
    longest = min(_MAX_LENGTH, len(new), (len(trained) - 1) // _TRAINING_RATIO)
    tests = [_equal_values(new, trained)]
    if longest > 0:
        known, latest, correlation = _innovations(new, trained)
        level, spread = _level(known, latest[::-1][:longest], correlation), _spread(known, latest[::-1][:longest])
        for what, statistics, chances in (
            ("level", level, 2 * ndtr(-abs(level))),
            ("spread", spread, ndtr(-spread) / _MIN_LENGTH),
        ):
            lengths = range(min(_MIN_LENGTH, longest), longest + 1)
            chance, length = min((_at_any_time(chances[at - 1], len(new) - at), at) for at in lengths)
            tests.append((f"{what} of the last {length} (z statistic)", float(statistics[length - 1]), chance))
    test, statistic, lowest = min(tests, key=lambda found: found[2])
    probability = min(1.0, len(tests) * lowest)
    return InputDrift(name=name, test=test, statistic=statistic, probability=probability, threshold=MAX_FALSE_ALARMS)


def _equal_values(new: Values, trained: Values) -> tuple[str, float, float]:
    """Return the test of the run of equal values at the end: what it is, its length, and its probability.

    Each value beyond the longest run of the training data repeats the one before with a probability that is estimated
    by the rule of succession, or with that of the values in a run if it is larger.
    """
    changes, repeats = np.flatnonzero(np.diff(new)), np.diff(trained) == 0
    run, longest = len(new) - (changes[-1] + 1 if len(changes) else 0), 1 + _longest_run(repeats)
    further, repeated = np.arange(run - longest), repeats.sum() + 1
    in_runs = (repeats[1:] & repeats[:-1]).sum() / repeated
    chance = float(np.maximum((repeated + further) / (len(repeats) + 2 + further), in_runs).prod())
    return (
        f"number of equal newest values (at most {longest} in training)",
        float(run),
        _at_any_time(chance, len(new) - run),
    )


def _innovations(new: Values, trained: Values) -> tuple[Values, Values, float]:
    """Return scores of the innovations of training and new values, and the correlation of training values."""
    deviation, correlation = max(trained.std(), _MIN_DEVIATION), 0.0
    known, latest = ((values - trained.mean()) / deviation for values in (trained, new))
    if trained.std() > _MIN_DEVIATION:
        correlation = _correlation([known])
    both = np.concatenate([known, np.clip(latest, known.min() - _MAX_DEVIATIONS, known.max() + _MAX_DEVIATIONS)])
    innovations = both[1:] - correlation * both[:-1]
    known, latest = innovations[: len(known) - 1], innovations[len(known) - 1 :]
    return normal_scores(known, known), tail_scores(latest, known), correlation


def _level(known: Values, newest: Values, correlation: float) -> Values:
    """Return the z statistics of a step of the level before the last 1, 2, ... innovations; the newest is first.

    A step is seen in full in its first innovation, and by `1 - correlation` in all later ones.
    """
    lengths, weight = np.arange(1, len(newest) + 1), 1 - correlation
    variance = 1 + weight**2 * (lengths - 1) * _variance_ratios(known, len(newest))
    variance += (1 + weight * (lengths - 1)) ** 2 / len(known)  # of the mean of the training values
    statistics: Values = (newest + weight * (np.cumsum(newest) - newest)) / np.sqrt(variance)
    return statistics


def _spread(known: Values, newest: Values) -> Values:
    """Return the z statistics of a larger spread of the last 1, 2, ... innovations; the newest is first.

    The spread of a score z is z² / (1 + z²/4), which few large values cannot change much. It is that of Student's
    distribution with four degrees of freedom. Its skewness is corrected.

    Source: Johnson, "Modified t Tests and Confidence Intervals for Asymmetrical Populations", Journal of the American
    Statistical Association 73, 1978.
    """
    usual, spreads = (scores**2 / (1 + scores**2 / 4) for scores in (known, newest))
    lengths = np.arange(1, len(newest) + 1)
    ratios = _variance_ratios(usual, len(newest))
    error = _SPREAD_DEVIATION * np.sqrt((1 / lengths + 1 / len(known)) * ratios)
    statistics = (np.cumsum(spreads) / lengths - usual.mean()) / error
    excess = (np.maximum(statistics, 1) ** 2 - 1) * _SPREAD_SKEWNESS / 6 / np.sqrt(lengths)
    corrected: Values = statistics - excess
    return corrected


def _variance_ratios(values: Values, longest: int) -> Values:
    """Return the variance of means of 1, 2, ... training values, as a multiple of that of independent ones; at least 1.

    Seasons and slow swings, which occur in the training data, too, are thus no change.
    """
    deviations = values - values.mean()
    squares = float(deviations @ deviations)
    if squares == 0:
        return np.ones(longest)
    spectrum = np.abs(np.fft.rfft(deviations, 2 * len(values))) ** 2
    correlations, lags = np.fft.irfft(spectrum)[:longest] / squares, np.arange(longest)
    correlations[0] = 0.0
    sums, lagged = np.cumsum(correlations), np.cumsum(lags * correlations)
    ratios: Values = np.maximum(1.0, 1 + 2 * (sums - lagged / (lags + 1)))
    return ratios

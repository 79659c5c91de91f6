"""Drift of values in the order of time, which depend on their neighbours.

The newest inputs are compared with all training blocks of the same length. This avoids alarms for seasons and slow
swings, which occur in the training data, too.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import t as student

from gristmill.retraining.drift import MAX_TRAINING_VALUES, Values
from gristmill.runs.retraining_record import ErrorDrift, InputDrift

_LARGE_QUANTILE = 0.9  # of the errors on held-out data; larger errors count as large
_NEWEST_ERRORS = 12  # number of newest errors to test separately, so that earlier errors do not hide a change
_MIN_BLOCKS = 20  # disjoint training blocks that new values are compared with
_MIN_VALUES_FOR_SPREAD = 4
_MAX_CORRELATION = 0.99  # upper limit of the estimate
_MIN_VARIANCE = 1e-18  # smaller variances are rounding errors of constant columns


def series_error_drift(new: Iterable[Values], before: Iterable[Values]) -> ErrorDrift | None:
    """Compare the champion's new errors with those on held-out data, each given in stretches in the order of time.

    All new errors are compared, and the newest errors separately, so that many earlier errors do not hide a change.
    Errors that are not finite count as larger than all others.
    """
    fresh, known = ([np.where(np.isnan(errors), np.inf, errors) for errors in stretches] for stretches in (new, before))
    if not sum(map(len, fresh)) or not sum(map(len, known)):
        return None
    latest, held_out = np.concatenate(fresh), np.concatenate(known)
    large = float(np.quantile(held_out, _LARGE_QUANTILE, method="inverted_cdf"))
    scored, compared = [normal_scores(errors, held_out) for errors in known], (latest, latest[-_NEWEST_ERRORS:])
    chances = [_chance_of_errors(normal_scores(errors, held_out), scored) for errors in compared]
    return ErrorDrift(
        count=len(latest),
        mean=float(latest.mean()),
        mean_before=float(held_out.mean()),
        large=large,
        run=max(_longest_run(errors > large) for errors in fresh),
        run_before=max(_longest_run(errors > large) for errors in known),
        probability=min(1.0, len(chances) * min(chances)),
    )


def _longest_run(marks: npt.NDArray[np.bool_]) -> int:
    return max((len(list(group)) for mark, group in groupby(marks.tolist()) if mark), default=0)


def _chance_of_errors(new: Values, known: list[Values]) -> float:
    """Return the p-value of the mean normal score of the new errors, by Welch's t test against the held-out errors.

    The test models autocorrelated errors as a first-order autoregression and uses the effective number of independent
    errors for each mean. The correlation is estimated from the held-out errors only, so additional large errors never
    weaken an alarm. With few held-out errors the estimate is too low: it is corrected for bias, and one standard error
    is added. The p-value is never smaller than the share of held-out means that are as high.

    Sources: Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are
    Involved", Biometrika 34, 1947; Bayley & Hammersley, "The 'Effective' Number of Independent Observations in an
    Autocorrelated Time Series", Supplement to the Journal of the Royal Statistical Society 8(2), 1946; Kendall, "Note
    on Bias in the Estimation of Autocorrelation", Biometrika 41, 1954.
    """
    held_out = np.concatenate(known)
    count, middle = len(held_out), held_out.mean()
    squares = float(np.square(held_out - middle).sum())
    if squares == 0:  # all held-out errors are equal: the next one is larger with this probability
        return 1 / (count + 1) if new.mean() > middle else 1.0
    products = sum(float((stretch[:-1] - middle) @ (stretch[1:] - middle)) for stretch in known)
    # Estimate the correlation, and correct it.
    correlation = products / squares
    correlation += (1 + 3 * correlation) / count
    correlation += math.sqrt(max(0.0, 1 - correlation**2) / count)
    correlation = min(max(correlation, 0.0), _MAX_CORRELATION)
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
    error = math.sqrt(squares / (count - 1) * (share + share_before))
    probability = float(student.sf((new.mean() - middle) / error, min(welch, freedom)))
    return max(probability, float((_moving_means(held_out, min(len(new), count)) >= new.mean()).mean()))


def normal_scores(values: Values, known: Values) -> Values:
    """Return the quantiles of values among known ones as quantiles of the normal distribution.

    Source: van der Waerden, "Order Tests for the Two-Sample Problem and Their Power", Indagationes Mathematicae 14,
    1952.
    """
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    scores: Values = ndtri((0.5 * (below + upto) + 0.5) / (len(known) + 1))
    return scores


def _moving_means(values: Values, length: int) -> Values:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means: Values = (sums[length:] - sums[:-length]) / length
    return means


def series_input_drift(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare level and spread of the newest numbers with those of training blocks of the same length.

    The block length leaves at least twenty disjoint training blocks. Normal scores are compared by their mean and, in
    blocks of four or more values, by their spread, where only growth counts.
    """
    trained = trained[-MAX_TRAINING_VALUES:]
    length = min(len(new), max(1, len(trained) // _MIN_BLOCKS))
    latest = new[-length:]
    beyond = np.maximum(latest - trained.max(), 0) + np.minimum(latest - trained.min(), 0)
    farther = np.clip(beyond / max(trained.std(), _MIN_VARIANCE), -1, 1)  # one for a standard deviation, at most
    scores, newest = normal_scores(trained, trained), normal_scores(latest, trained) + farther
    level, squares = (_moving_means(values, length) for values in (scores, scores**2))
    tests = [("level", *_compare_blocks(float(newest.mean()), level, length, two_sided=True))]
    if length >= _MIN_VALUES_FOR_SPREAD:
        variances = newest.var(), squares - level**2
        spread, usual = (np.log(0.1 + np.sqrt(np.maximum(0, variance))) for variance in variances)
        tests.append(("spread", *_compare_blocks(float(spread), usual, length, two_sided=False)))
    what, statistic, lowest = min(tests, key=lambda test: test[2])
    test, probability = f"{what} of the last {length} (t statistic)", min(1.0, len(tests) * lowest)
    return InputDrift(name=name, test=test, statistic=statistic, probability=probability)


def _compare_blocks(newest: float, usual: Values, length: int, two_sided: bool) -> tuple[float, float]:
    """Return the t statistic of a block's figure against those of all training blocks, and its p-value.

    Blocks are correlated. Positive correlations of adjacent blocks make the mean of all blocks less certain and their
    variance too small; both are corrected. The p-value is never smaller than the figure's share of training blocks.

    Sources: Meketon & Schmeiser, "Overlapping Batch Means: Something for Nothing?", Winter Simulation Conference 1984;
    Geyer, "Practical Markov Chain Monte Carlo", Statistical Science 7(4), 1992, for the sum of correlations; Kendall as
    above.
    """
    middle, blocks = usual.mean(), (len(usual) + length - 1) // length
    deviations, off = usual - middle, newest - middle
    if blocks < 3:
        return 0.0, 1.0
    variance = max(float((deviations**2).mean()), _MIN_VARIANCE)
    # Sum the correlations of blocks at growing distances, up to the first that is not positive.
    correlations: list[float] = []
    for lag in range(length, len(deviations) - length, length):
        correlation = float(deviations[:-lag] @ deviations[lag:]) / len(deviations) / variance
        correlation += (1 + 3 * max(correlation, 0.0)) / blocks  # bias of few blocks
        if correlation <= 0:
            break
        correlations.append(min(correlation, 1.0))
    variance_of_mean = (1 + 2 * sum(correlations)) / blocks  # in units of the variance of a block
    if variance_of_mean >= 1:
        return 0.0, 1.0
    error = math.sqrt(variance * (1 + variance_of_mean) / (1 - variance_of_mean))
    statistic, freedom = off / error, blocks - 1
    if two_sided:
        probability, share = 2 * student.sf(abs(statistic), freedom), (abs(deviations) >= abs(off)).mean()
    else:
        probability, share = student.sf(statistic, freedom), (deviations >= off).mean()
    return float(statistic), max(float(probability), float(share))

"""Signs that the world has moved away from what a model was trained on.

There are three signs. Errors: the model's errors on new data are larger than on held-out data, which is the most direct
sign. Inputs: the level or spread of new values differs from that of all training blocks of the same length; comparing
blocks avoids alarms for seasons and slow swings, which occur in the training data, too. Baseline: the model is clearly
worse than the best baseline.

Examples without an order in time are draws: their errors are compared by the mean, their inputs by the usual tests.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri
from scipy.stats import MonteCarloMethod, chi2_contingency, ks_2samp, permutation_test, ttest_ind
from scipy.stats import t as student

from gristmill.retraining.gate import Contest, independent_blocks, standard_error
from gristmill.runs.retraining_record import CHAMPION, BaselineDrift, Drift, ErrorDrift, InputDrift, MeanDrift

Values = npt.NDArray[np.float64]
Sign = TypeVar("Sign", ErrorDrift, MeanDrift, InputDrift, ErrorDrift | MeanDrift)

LARGE = 0.9  # quantile of the errors on held-out data beyond which an error counts as large
RARE = 0.01  # probability under which a sign is an alarm
_LAST = 12  # newest errors that are also tested alone, so that earlier errors do not hide a change
_BLOCKS = 20  # minimum number of disjoint training blocks that new values are compared with
_SPREAD = 4  # minimum number of values to estimate a spread
_HIGHEST = 0.99  # upper limit of the estimated correlation
_ROUNDING = 1e-18  # variance that rounding may give a constant column
_REMEMBERED = 20_000  # training values at most, the last ones
_DRAWS = 2_000  # of chance, for tests that count how often it does as much
_BATCH = 4_000_000  # numbers that are shuffled at a time
_SEED = 0


def combine_signs(errors: ErrorDrift | MeanDrift | None, inputs: Sequence[InputDrift]) -> Drift:
    """Return all signs of one check; at most 1 in 100 checks raises a false alarm.

    Errors and inputs share that equally. The p-value of an input is adjusted for the number of inputs as well, so many
    columns raise no more false alarms than one, and do not hide errors that have grown.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2),
    1979.
    """
    families = 2 if errors and inputs else 1
    signs, adjusted = list(inputs), 0.0
    for rank, at in enumerate(sorted(range(len(signs)), key=lambda at: signs[at].probability)):
        adjusted = max(adjusted, families * (len(signs) - rank) * signs[at].probability)
        signs[at] = _adjusted(signs[at], adjusted)
    return Drift(errors=_adjusted(errors, families * errors.probability) if errors else None, inputs=signs)


def _adjusted(sign: Sign, probability: float) -> Sign:
    probability = min(1.0, probability)
    return sign.model_copy(update={"probability": probability, "alarm": probability < RARE})


def series_error_drift(new: Iterable[Values], before: Iterable[Values]) -> ErrorDrift | None:
    """Compare a champion's new errors with those on held-out data; each is given stretch by stretch, in time's order.

    All new errors are compared, and the last ones alone, lest a change be lost among many earlier ones. Errors that are
    not finite count as larger than all others.
    """
    fresh, known = ([np.where(np.isnan(errors), np.inf, errors) for errors in stretches] for stretches in (new, before))
    if not sum(map(len, fresh)) or not sum(map(len, known)):
        return None
    latest, held_out = np.concatenate(fresh), np.concatenate(known)
    large = float(np.quantile(held_out, LARGE, method="inverted_cdf"))
    run, run_before = (max(_longest_run(errors > large) for errors in stretches) for stretches in (fresh, known))
    scored = [normal_scores(errors, held_out) for errors in known]
    looks = [_chance_of_errors(normal_scores(latest[-last:], held_out), scored) for last in (len(latest), _LAST)]
    probability = min(1.0, len(looks) * min(looks))
    return ErrorDrift(
        count=len(latest),
        mean=float(latest.mean()),
        mean_before=float(held_out.mean()),
        large=large,
        run=run,
        run_before=run_before,
        probability=probability,
        alarm=probability < RARE,
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
    if squares == 0:  # all held-out errors are equal: that larger ones come next has this chance
        return 1 / (count + 1) if new.mean() > middle else 1.0
    products = sum(float((stretch[:-1] - middle) @ (stretch[1:] - middle)) for stretch in known)
    correlation = products / squares
    correlation += (1 + 3 * correlation) / count
    correlation += math.sqrt(max(0.0, 1 - correlation**2) / count)
    correlation = min(max(correlation, 0.0), _HIGHEST)
    share, share_before = (_variance_of_mean(length, correlation) for length in (len(new), count))
    freedom = 1 / share_before - 1
    if freedom < 1:
        return 1.0
    welch = (share + share_before) ** 2 / (share**3 + share_before**2 / freedom)
    error = math.sqrt(squares / (count - 1) * (share + share_before))
    probability = float(student.sf((new.mean() - middle) / error, min(welch, freedom)))
    return max(probability, float((_moving_means(held_out, min(len(new), count)) >= new.mean()).mean()))


def _variance_of_mean(count: int, correlation: float) -> float:
    """Return the variance of the mean of so many values of an autoregression, where one value has 1."""
    lags = np.arange(1, count)
    return float(1 + 2 * ((1 - lags / count) * correlation**lags).sum()) / count


def normal_scores(values: Values, known: Values) -> Values:
    """Return where values lie among known ones, as quantiles of the normal distribution: no value is far out.

    Source: van der Waerden, "Order Tests for the Two-Sample Problem and Their Power", Indagationes Mathematicae 14,
    1952.
    """
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    scores: Values = ndtri((0.5 * (below + upto) + 0.5) / (len(known) + 1))
    return scores


def _open_scores(values: Values, known: Values) -> Values:
    """Return normal scores, extended beyond the known values by at most one per standard deviation."""
    beyond = np.maximum(values - known.max(), 0) + np.minimum(values - known.min(), 0)
    opened: Values = normal_scores(values, known) + np.clip(beyond / max(known.std(), _ROUNDING), -1, 1)
    return opened


def _moving_means(values: Values, length: int) -> Values:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means: Values = (sums[length:] - sums[:-length]) / length
    return means


def series_input_drift(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare level and spread of the newest numbers with those of blocks of the training data, each as long.

    Blocks are compared because the values of a series are not independent: seasons and slow swings, which also occur
    in the training data, are not drift. The block length leaves at least twenty disjoint training blocks. Normal scores
    are compared by their mean and, in blocks of four or more values, by their spread, of which only growth counts.
    """
    trained = trained[-_REMEMBERED:]
    length = min(len(new), max(1, len(trained) // _BLOCKS))
    scores, newest = normal_scores(trained, trained), _open_scores(new[-length:], trained)
    level, squares = (_moving_means(values, length) for values in (scores, scores**2))
    looks = [("level", *_compared(float(newest.mean()), level, length, two_sided=True))]
    if length >= _SPREAD:
        spread, usual = (np.log(0.1 + np.sqrt(np.maximum(0, found))) for found in (newest.var(), squares - level**2))
        looks.append(("spread", *_compared(float(spread), usual, length, two_sided=False)))
    what, statistic, least = min(looks, key=lambda look: look[2])
    probability = min(1.0, len(looks) * least)
    return InputDrift(
        name=name,
        test=f"{what} of the last {length} (t statistic)",
        statistic=statistic,
        probability=probability,
        alarm=probability < RARE,
    )


def _compared(newest: float, usual: Values, length: int, two_sided: bool) -> tuple[float, float]:
    """Return the t statistic of a block's figure against those of all training blocks, and its p-value.

    Blocks are correlated. Positive correlations of adjacent blocks make the mean of all blocks less certain and their
    variance too small; both are corrected. The p-value is never smaller than the figure's share of training blocks.

    Sources: Meketon & Schmeiser, "Overlapping Batch Means: Something for Nothing?", Winter Simulation Conference 1984;
    Geyer, "Practical Markov Chain Monte Carlo", Statistical Science 7(4), 1992, for the sum of correlations; Kendall as
    below.
    """
    middle, blocks = usual.mean(), (len(usual) + length - 1) // length
    apart, off = usual - middle, newest - middle
    if blocks < 3:
        return 0.0, 1.0
    variance = max(float((apart**2).mean()), _ROUNDING)
    of_mean = (1 + 2 * sum(_positive_correlations(apart, variance, length, blocks))) / blocks  # where a block's is 1
    if of_mean >= 1:
        return 0.0, 1.0
    statistic, freedom = off / math.sqrt(variance * (1 + of_mean) / (1 - of_mean)), blocks - 1
    if two_sided:
        probability, share = 2 * student.sf(abs(statistic), freedom), (abs(apart) >= abs(off)).mean()
    else:
        probability, share = student.sf(statistic, freedom), (apart >= off).mean()
    return float(statistic), max(float(probability), float(share))


def _positive_correlations(apart: Values, variance: float, length: int, blocks: int) -> Iterator[float]:
    """Yield how blocks correlate that are one length apart, two, and so on, until they do no longer."""
    for lag in range(length, len(apart) - length, length):
        correlation = float(apart[:-lag] @ apart[lag:]) / len(apart) / variance
        correlation += (1 + 3 * max(correlation, 0.0)) / blocks  # the bias of few
        if correlation <= 0:
            return
        yield min(correlation, 1.0)


def baseline_drift(contest: Contest, best: str | None) -> BaselineDrift | None:
    """Compare a champion's errors with the best baseline's on what a challenger was judged on; None without both.

    It is a t test of the paired differences, by the standard error of the moving-block bootstrap. A champion whose
    error is not finite is worse than any baseline.
    """
    if best is None or CHAMPION not in contest.errors:
        return None
    champion, baseline = contest.errors[CHAMPION], contest.errors[best]
    difference, probability = champion - baseline, 1.0
    error, blocks = standard_error(difference, contest.block), independent_blocks(len(difference), contest.block)
    if not np.isfinite(champion).all():
        probability = 0.0
    elif error == 0:  # the same difference in every item
        probability = 0.0 if difference.mean() > 0 else 1.0
    elif error:
        probability = float(student.sf(difference.mean() / error * math.sqrt(1 - 1 / blocks), blocks - 1))
    return BaselineDrift(
        name=best,
        metric=contest.metric,
        champion=float(champion.mean()),
        baseline=float(baseline.mean()),
        probability=probability,
        alarm=probability < RARE,
    )


def example_error_drift(new: Values, test: Values) -> MeanDrift | None:
    """Compare a champion's errors on new examples with those of its test part, both in any order, by their means."""
    if not len(new) or not len(test):
        return None
    probability = chance_of_higher_mean(new, test)
    return MeanDrift(
        count=len(new),
        mean=float(new.mean()),
        mean_before=float(test.mean()),
        probability=probability,
        alarm=probability < RARE,
    )


def share_drift(name: str, new: Values, before: Values, of: str = "the test part") -> InputDrift:
    """Compare a share, which each example has, with that of what a champion was not trained on: more is drift."""
    probability = chance_of_higher_mean(new, before)
    return InputDrift(
        name=name,
        test=f"share above that of {of} by",
        statistic=float(new.mean() - before.mean()),
        probability=probability,
        alarm=probability < RARE,
    )


def number_drift(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare new numbers with those trained on by the Kolmogorov-Smirnov test for independent draws."""
    found = ks_2samp(new, trained)
    return InputDrift(
        name=name,
        test="Kolmogorov-Smirnov",
        statistic=float(found.statistic),
        probability=float(found.pvalue),
        alarm=bool(found.pvalue < RARE),
    )


def category_drift(name: str, new: Iterable[str], trained: Iterable[str]) -> InputDrift:
    """Compare how often each name comes with how often it was trained on by the chi-square statistic.

    What is likely is taken from tables drawn with the same sums, for the usual distribution asks that no name be rare.
    """
    counts = pd.DataFrame({side: pd.Series(list(names)).value_counts() for side, names in enumerate((new, trained))})
    table = counts.fillna(0).sort_index().to_numpy(np.int64).T
    statistic, probability = 0.0, 1.0  # of a single name
    if table.shape[1] > 1:
        statistic = float(chi2_contingency(table, correction=False).statistic)
        probability = _counted(
            lambda draws: chi2_contingency(
                table,
                correction=False,
                method=MonteCarloMethod(
                    n_resamples=draws, batch=max(1, _BATCH // table.size), rng=np.random.default_rng(_SEED)
                ),
            ),
            tail=float(chi2_contingency(table, correction=False).pvalue),
        )
    return InputDrift(
        name=name, test="chi-square", statistic=statistic, probability=probability, alarm=probability < RARE
    )


def chance_of_higher_mean(new: Values, test: Values) -> float:
    """Return how likely a mean of `new` as far above that of `test` is, were all of them drawn alike.

    All are shuffled and dealt anew, which holds for errors of 0 and 1 as for any others (a permutation test).
    Of a single one nothing can be called rare.
    """
    if min(len(new), len(test)) < 2:
        return 1.0
    new, test = (values[:: -(-len(values) // _REMEMBERED)] for values in (new, test))
    return _counted(
        lambda draws: permutation_test(
            (new, test),
            lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
            vectorized=True,
            n_resamples=draws,
            batch=max(1, _BATCH // (len(new) + len(test))),
            alternative="greater",
            rng=np.random.default_rng(_SEED),
        ),
        tail=float(ttest_ind(new, test, equal_var=False, alternative="greater").pvalue),
    )


def _counted(test: Callable[[int], Any], tail: float) -> float:
    """Return the p-value of a test by random draws; a small one is computed from ten times as many draws.

    With many columns only p-values far below `RARE` raise an alarm. One that is too small for so many draws is that of
    the usual distribution, `tail`.
    """
    draws = 10 * _DRAWS
    probability = float(test(_DRAWS).pvalue)
    if probability < RARE:
        probability = float(test(draws).pvalue)
    return min(probability, tail) if probability <= 1 / draws and not math.isnan(tail) else probability

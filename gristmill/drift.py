"""Signs that the world has moved away from what a model was trained on.

Two are looked for. Its errors: a run of large ones longer than held-out data lets expect, which is the truest sign.
Its inputs: how far new values lie from those it was trained on, beside how far blocks of the training data as long lie
from the rest of it. So neither seasons nor slow swings, which training data has too, are taken for drift.

Examples without an order in time are draws: their errors are compared by the mean, their inputs by the usual tests.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency, ks_2samp, permutation_test

from gristmill.retraining import ErrorDrift, InputDrift, MeanDrift

Values = npt.NDArray[np.float64]

LARGE = 0.9  # quantile of the errors on held-out data beyond which an error counts as large
RARE = 0.01  # probability under which inputs count as moved
_BLOCKS = 100  # of the training data that new values are compared with, at least
_REMEMBERED = 20_000  # training values at most, the last ones
_DRAWS = 2_000  # of chance, for tests that count how often it does as much
_BATCH = 4_000_000  # numbers that are shuffled at a time
_SEED = 0


def look_at_errors(new: Iterable[Values], before: Iterable[Values]) -> ErrorDrift | None:
    """Compare a champion's new errors with those on held-out data; each is given series by series, in time's order.

    Large errors come in runs even where nothing has changed. How long these are is taken from the held-out data, as a
    Markov chain of large and other errors: of n errors n · P(large) · P(no more large) · P(one more large)^(r - 1) runs
    of r or more are to be expected, which bounds the probability that there is one.
    """
    fresh, known = list(new), list(before)
    if not sum(map(len, fresh)) or not sum(map(len, known)):
        return None
    large = float(np.quantile(np.concatenate(known), LARGE))
    run, run_before = (max(_longest_run(errors > large) for errors in series) for series in (fresh, known))
    count = sum(map(len, fresh))
    probability = _chance_of_run(run, count, [errors > large for errors in known])
    return ErrorDrift(
        count=count,
        mean=float(np.concatenate(fresh).mean()),
        mean_before=float(np.concatenate(known).mean()),
        large=large,
        run=run,
        run_before=run_before,
        probability=probability,
        alarm=probability < RARE,
    )


def _longest_run(marks: npt.NDArray[np.bool_]) -> int:
    return max((len(list(group)) for mark, group in groupby(marks.tolist()) if mark), default=0)


def _chance_of_run(run: int, count: int, known: list[npt.NDArray[np.bool_]]) -> float:
    """Return a bound on the probability that so many errors hold such a run, by the marks of large held-out ones."""
    if run == 0:
        return 1.0
    share = float(np.concatenate(known).mean())
    followed = sum(int((marks[:-1] & marks[1:]).sum()) for marks in known)
    tried = sum(int(marks[:-1].sum()) for marks in known)
    more = (1 + followed) / (2 + tried)  # Laplace's rule: never 0 or 1
    more = min(1.0, more + math.sqrt(more * (1 - more) / (2 + tried)))  # and, of few, more than they may say
    return min(1.0, count * share * (1 - more) * more ** (run - 1))


def look_at_numbers(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare the newest numbers with those trained on by the Kolmogorov-Smirnov statistic.

    What is likely is taken from blocks of the training data, each as long as the numbers that are compared, beside the
    rest of it: the usual table holds for independent draws, and series are none. So many numbers are compared that
    there are a hundred blocks, of which none overlap: fewer could call nothing rare.
    """
    trained = trained[-_REMEMBERED:]
    length = min(len(new), max(1, len(trained) // _BLOCKS))
    found = distance(new[-length:], trained)
    begins = np.arange(len(trained) % length, len(trained), length)
    chosen = begins[np.linspace(0, len(begins) - 1, min(len(begins), 5 * _BLOCKS)).astype(int)]
    blocks = [np.s_[begin : begin + length] for begin in chosen]
    usual = [distance(trained[block], np.delete(trained, block)) for block in blocks]
    probability = (1 + sum(statistic >= found for statistic in usual)) / (1 + len(usual))
    return InputDrift(
        name=name,
        test=f"Kolmogorov-Smirnov of the last {length}",
        statistic=found,
        probability=probability,
        alarm=probability < RARE,
    )


def distance(one: Values, other: Values) -> float:
    """Return the largest difference between the empirical distribution functions of two samples, 0 to 1."""
    at = np.concatenate([one, other])
    shares = (np.searchsorted(np.sort(sample), at, side="right") / len(sample) for sample in (one, other))
    return float(np.abs(np.subtract(*shares)).max())


def look_at_mean_error(new: Values, test: Values) -> MeanDrift | None:
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


def look_at_share(name: str, new: Values, before: Values, of: str = "the test part") -> InputDrift:
    """Compare a share, which each example has, with that of what a champion was not trained on: more is drift."""
    probability = chance_of_higher_mean(new, before)
    return InputDrift(
        name=name,
        test=f"share above that of {of} by",
        statistic=float(new.mean() - before.mean()),
        probability=probability,
        alarm=probability < RARE,
    )


def look_at_draws(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare new numbers with those trained on by the Kolmogorov-Smirnov test for independent draws."""
    found = ks_2samp(new, trained)
    return InputDrift(
        name=name,
        test="Kolmogorov-Smirnov",
        statistic=float(found.statistic),
        probability=float(found.pvalue),
        alarm=bool(found.pvalue < RARE),
    )


def look_at_names(name: str, new: Iterable[str], trained: Iterable[str]) -> InputDrift:
    """Compare how often each name comes with how often it was trained on by the chi-square statistic.

    What is likely is taken from tables drawn with the same sums, for the usual distribution asks that no name be rare.
    """
    counts = pd.DataFrame({side: pd.Series(list(names)).value_counts() for side, names in enumerate((new, trained))})
    table = counts.fillna(0).sort_index().to_numpy(np.int64).T
    statistic, probability = 0.0, 1.0  # of a single name
    if table.shape[1] > 1:
        drawn = MonteCarloMethod(
            n_resamples=_DRAWS, batch=max(1, _BATCH // table.size), rng=np.random.default_rng(_SEED)
        )
        found = chi2_contingency(table, correction=False, method=drawn)
        statistic, probability = float(found.statistic), float(found.pvalue)
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
    found = permutation_test(
        (new, test),
        lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
        vectorized=True,
        n_resamples=_DRAWS,
        batch=max(1, _BATCH // (len(new) + len(test))),
        alternative="greater",
        rng=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)

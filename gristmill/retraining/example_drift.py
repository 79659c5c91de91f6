"""Drift of independent examples: errors and shares are compared by their means, inputs by the usual tests."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency, ks_2samp, permutation_test, ttest_ind

from gristmill.retraining.drift import MAX_TRAINING_VALUES, Values
from gristmill.runs.retraining_record import ALARM_P_VALUE, InputDrift, MeanDrift

_RESAMPLES = 2_000  # of tests by random draws
_BATCH = 4_000_000  # numbers that are shuffled at a time
_SEED = 0


def example_error_drift(new: Values, test: Values) -> MeanDrift | None:
    """Compare the champion's mean error on new examples with that on its test set."""
    if not len(new) or not len(test):
        return None
    means = {"mean": float(new.mean()), "mean_before": float(test.mean())}
    return MeanDrift(count=len(new), **means, probability=chance_of_higher_mean(new, test))


def share_drift(name: str, new: Values, before: Values, of: str = "the test set") -> InputDrift:
    """Compare the mean of a share of each example with that of held-out examples; only growth is drift."""
    statistic, probability = float(new.mean() - before.mean()), chance_of_higher_mean(new, before)
    return InputDrift(name=name, test=f"share above that of {of} by", statistic=statistic, probability=probability)


def number_drift(name: str, new: Values, trained: Values) -> InputDrift:
    """Compare new numbers with those of the training data by the Kolmogorov-Smirnov test; NaN is below all others."""
    samples = (np.where(np.isnan(values), -np.inf, values) for values in (new, trained))
    statistic, probability = map(float, ks_2samp(*samples))
    return InputDrift(name=name, test="Kolmogorov-Smirnov", statistic=statistic, probability=probability)


def category_drift(name: str, new: Iterable[str], trained: Iterable[str]) -> InputDrift:
    """Compare the frequencies of categories with those of the training data by the chi-square statistic.

    The p-value comes from random tables with the same sums, because the usual distribution does not hold for rare
    categories.
    """
    counts = pd.DataFrame({side: pd.Series(list(names)).value_counts() for side, names in enumerate((new, trained))})
    table = counts.fillna(0).sort_index().to_numpy(np.int64).T
    if table.shape[1] < 2:  # a single category
        return InputDrift(name=name, test="chi-square", statistic=0.0, probability=1.0)
    usual = chi2_contingency(table, correction=False)

    def resample(draws: int) -> Any:
        random = np.random.default_rng(_SEED)
        method = MonteCarloMethod(n_resamples=draws, batch=max(1, _BATCH // table.size), rng=random)
        return chi2_contingency(table, correction=False, method=method)

    probability = _p_value(resample, float(usual.pvalue))
    return InputDrift(name=name, test="chi-square", statistic=float(usual.statistic), probability=probability)


def input_drift(
    new: pd.DataFrame, trained: pd.DataFrame, numbers: Iterable[str], categories: Iterable[str]
) -> list[InputDrift]:
    """Compare columns of new rows with those of the training data."""
    return [
        *(number_drift(name, new[name].to_numpy(np.float64), trained[name].to_numpy()) for name in numbers),
        *(category_drift(name, new[name], trained[name]) for name in categories),
    ]


def chance_of_higher_mean(new: Values, test: Values) -> float:
    """Return the p-value of the mean of `new` exceeding the mean of `test`, by a permutation test.

    It is valid for any errors, including 0 and 1. A single value is never significant.
    """
    if min(len(new), len(test)) < 2:
        return 1.0
    new, test = (values[:: -(-len(values) // MAX_TRAINING_VALUES)] for values in (new, test))

    def resample(draws: int) -> Any:
        return permutation_test(
            (new, test),
            lambda first, second, axis: first.mean(axis=axis) - second.mean(axis=axis),
            vectorized=True,
            n_resamples=draws,
            batch=max(1, _BATCH // (len(new) + len(test))),
            alternative="greater",
            rng=np.random.default_rng(_SEED),
        )

    return _p_value(resample, float(ttest_ind(new, test, equal_var=False, alternative="greater").pvalue))


def _p_value(resample: Callable[[int], Any], tail: float) -> float:
    """Return the p-value of a test by random draws; a small one is computed from ten times as many draws.

    With many columns only p-values far below `ALARM_P_VALUE` raise an alarm. If it is too small for the number of
    draws, that of the usual distribution, `tail`, is returned.
    """
    draws = 10 * _RESAMPLES
    probability = float(resample(_RESAMPLES).pvalue)
    if probability < ALARM_P_VALUE:
        probability = float(resample(draws).pvalue)
    return min(probability, tail) if probability <= 1 / draws and not math.isnan(tail) else probability

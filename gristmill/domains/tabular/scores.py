"""Metrics, from truth and prediction (rows,); errors are in the target's own units."""

import numpy as np

from gristmill.domains.tabular.dataset import Values


def mae(truth: Values, prediction: Values) -> float:
    """Mean absolute error; lower is better."""
    return float(np.abs(truth - prediction).mean())


def rmse(truth: Values, prediction: Values) -> float:
    """Root of the mean squared error; lower is better."""
    return float(np.sqrt(np.square(truth - prediction).mean()))


def r2(truth: Values, prediction: Values) -> float | None:
    """Share of the truth's variance that is explained: 1 is perfect, 0 as good as its mean, negative is worse.

    None if the truth does not vary, as in a single row.
    """
    if truth.min() == truth.max():
        return None
    return float(1 - np.square(truth - prediction).sum() / np.square(truth - truth.mean()).sum())

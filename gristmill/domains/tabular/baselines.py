"""Baselines, fitted on the training set: what a model must beat to be worth its name."""

import numpy as np
import numpy.typing as npt

from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import encode


def baselines(data: Prepared) -> dict[str, Values]:
    """Return the predictions of every baseline for every row, (rows,) each."""
    trained = data.parts == "train"
    return {
        "mean": np.full(len(data.table), data.truth[trained].mean()),
        "least squares": least_squares(encode(data.inputs, data.layout), data.truth, trained),
    }


def least_squares(features: npt.NDArray[np.float32], truth: Values, trained: npt.NDArray[np.bool_]) -> Values:
    """Return the predictions of the plane through the training rows, (rows,).

    Where several planes fit as well, the one with the smallest coefficients is taken: a name that was not in the
    training set counts nothing.

    Args:
        features: encoded rows (rows, features).
        truth: (rows,).
        trained: which rows to fit on, (rows,).
    """
    columns = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(columns[trained], truth[trained])
    fitted: Values = columns @ coefficients
    return fitted

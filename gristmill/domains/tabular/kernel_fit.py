"""Kernel ridge regression, which is the mean of a Gaussian process: predictions follow the nearest training rows.

The kernel is Matérn's with 3/2 derivatives plus a linear one. Its width, its linear part, the penalty and the scale of
the target are those with the lowest mean absolute error of predictions that leave out one row, or one group, at a time.
Of ordered rows, they leave out the last fifth.

Source: Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006, chapters 2, 4 and 5.
"""

import itertools
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.common.classification.duplicates import with_others
from gristmill.domains.common.folds import Positions
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.common.supervised import CLOSED_FORM_FOLDS
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import build_encoder, encode, standardised
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.errors import Unsuitable
from gristmill.training.deadline import check_deadlines

MAX_ROWS = 3_000  # every one of them is in the exported network

_MAX_ROWS_TO_CHOOSE_ON = 600
_WIDTHS = (1.0, 2.0, 3.0, 4.5, 7.0)  # in units of the median distance between rows
_LINEAR = (0.0, 0.1, 1.0)
_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

Rows = npt.NDArray[np.float64]  # (rows, features)


class Choice(NamedTuple):
    """Values chosen on rows that are left out."""

    width: float
    linear: float
    penalty: float
    logarithm: bool


def choose(data: Prepared) -> Choice:
    """Return the values with the lowest error, on at most 600 training rows.

    Predictions of a row leave out the row itself or, if rows have groups, its group. Of ordered rows, only the last
    fifth is predicted, by the rows before it.
    """
    # 1. Decide which rows are left out alone, and which together.
    rows = _training_rows(data)
    rows = rows[sample_positions(len(rows), _MAX_ROWS_TO_CHOOSE_ON)]
    groups, alone = list[Positions](), np.ones(len(rows), bool)
    if data.groups is not None:
        alone = ~with_others(data.groups[rows])
        groups = [np.flatnonzero(data.groups[rows] == group) for group in np.unique(data.groups[rows][~alone])]
    elif data.layout.ordered:
        alone[:] = False
        groups = [np.arange(len(rows))[-max(1, len(rows) // CLOSED_FORM_FOLDS) :]]
    # 2. Measure the error of all combinations; one decomposition serves all penalties.
    features, truth = _features(data, rows), data.truth[rows]
    unit = _median_distance(features)
    scales = possible_scales(truth)
    best, lowest = Choice(_WIDTHS[-1], 1.0, 1.0, False), np.inf
    for width, linear in itertools.product(_WIDTHS, _LINEAR):
        check_deadlines()
        values, vectors = np.linalg.eigh(_kernel(features, features, width * unit, linear))
        for scale, penalty in itertools.product(scales, _PENALTIES):
            check_deadlines()
            target = scale.scaled(truth)
            inverse = 1 / (np.maximum(values, 0) + penalty)
            residuals = _left_out_errors(vectors, inverse, target, groups, alone)
            error = float(np.nanmean(np.abs(scale.restored(target - residuals) - truth)))
            if error < lowest:
                best, lowest = Choice(width, linear, penalty, scale.logarithm), error
    return best


def _left_out_errors(
    vectors: Rows, inverse: Values, target: Values, groups: list[Positions], alone: npt.NDArray[np.bool_]
) -> Values:
    """Return the error of each row, (rows,), if it is left out `alone` or with its group; NaN for other rows.

    The kernel with the penalty is given by its eigenvectors, in columns, and the inverse of its eigenvalues.
    """
    weights: Values = vectors @ (inverse * (vectors.T @ target))
    errors = np.where(alone, weights / (vectors**2 @ inverse), np.nan)
    for rows in groups:
        left_out = vectors[rows]
        errors[rows] = np.linalg.solve((left_out * inverse) @ left_out.T, weights[rows])
    return errors


def kernel_regression(data: Prepared, chosen: Choice) -> keras.Model:
    """Return the network fitted to the training rows.

    Raises:
        Unsuitable: there are too many training rows.
    """
    # 1. Fit the weight of each training row.
    rows = _training_rows(data)
    features, truth = _features(data, rows), data.truth[rows]
    width = chosen.width * _median_distance(features)
    scale = TargetScale.fit(truth, chosen.logarithm)
    kernel = _kernel(features, features, width, chosen.linear)
    weights = np.linalg.solve(kernel + chosen.penalty * np.eye(len(rows)), scale.scaled(truth))
    # 2. Build the network of the weighted kernels.
    encoder = build_encoder(standardised(data))
    row = encoder.output
    # Squared distance to each training row, |a|² - 2 ab + |b|², in units of the width.
    layer = keras.layers.Dense(len(rows), trainable=False, name="training_rows")
    products = layer(row)
    layer.set_weights([-6 / width**2 * features.T, 3 / width**2 * (features**2).sum(axis=1)])
    squares = 3 / width**2 * ops.sum(ops.square(row), axis=1, keepdims=True)
    distance = ops.sqrt(ops.maximum(products + squares, 1e-12))
    sums = keras.layers.Dense(1, use_bias=False, trainable=False, name="weights")
    plane = keras.layers.Dense(1, use_bias=False, trainable=False, name="plane")
    scaled = sums((1 + distance) * ops.exp(-distance)) + plane(row)
    sums.set_weights([weights[:, np.newaxis]])
    plane.set_weights([chosen.linear * (features.T @ weights)[:, np.newaxis]])
    return keras.Model(encoder.input, scale.restore_in_graph(scaled), name="regressor")


def _training_rows(data: Prepared) -> npt.NDArray[np.int64]:
    rows = data.at("train")
    if len(rows) > MAX_ROWS:
        raise Unsuitable(f"keeps every row of training and validation, at most {MAX_ROWS:,}; there are {len(rows):,}")
    return rows


def _features(data: Prepared, rows: Positions) -> Rows:
    return encode(data.inputs_at(rows), standardised(data)).astype(np.float64)


def _kernel(a: Rows, b: Rows, width: float, linear: float) -> Rows:
    """Return the kernel of each row of `a` with each of `b`."""
    distance = np.sqrt(3 * _squared_distances(a, b)) / width
    kernel: Rows = (1 + distance) * np.exp(-distance) + linear * a @ b.T
    return kernel


def _squared_distances(a: Rows, b: Rows) -> Rows:
    squares: Rows = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def _median_distance(rows: Rows) -> float:
    """Return the median distance between two rows, of at most 600 of them; 1 if it is 0."""
    few = rows[sample_positions(len(rows), _MAX_ROWS_TO_CHOOSE_ON)]
    return float(np.sqrt(np.median(_squared_distances(few, few)))) or 1.0

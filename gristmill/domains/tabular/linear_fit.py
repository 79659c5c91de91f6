"""Regressions that are linear in encoded columns, with the penalty and the scale of the target that fit best.

They are chosen by the mean absolute error of predictions that leave out one row at a time, which ridge regression
gives without refitting. Sources: Hoerl & Kennard, "Ridge regression", Technometrics 12(1), 1970; Allen, "The
relationship between variable selection and data augmentation and a method for prediction", Technometrics 16(1), 1974.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.common.few_examples import evenly_spaced
from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.domains.tabular.encoder import Knots, build_encoder, encode, quantile_knots, standardised
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.errors import Unsuitable

_PENALTIES = (0.0, *(10.0**power for power in range(-6, 5)))  # 0 is ordinary least squares
_MIN_GAIN = 0.001  # share of the error that a larger penalty must save
_RESOLUTION = 1e-6  # singular values of float32 columns that are smaller, relative to the largest, are noise
_MIN_FREEDOM = 1e-6  # minimum of 1 minus the leverage of a row
_MAX_CELLS = 20_000_000  # rows x columns to fit; larger tables are sampled evenly
_MAX_FACTORS = 50  # encoded columns that are multiplied with each other

Columns = npt.NDArray[np.float64]  # (rows, columns)


@dataclass(frozen=True)
class Ridge:
    """A fitted plane."""

    coefficients: Values  # (columns,)
    intercept: float
    scale: TargetScale
    error: float  # mean absolute error in the target's units, each row left out in turn


def fit_ridge(columns: Columns, truth: Values, scales: Sequence[TargetScale]) -> Ridge:
    """Return the plane with the lowest error of the possible scales and penalties.

    If several planes fit equally well, the one with the smallest coefficients is taken: a name that was not in the
    training set counts nothing.
    """
    centre = columns.mean(axis=0)
    left, singular, right = np.linalg.svd(columns - centre, full_matrices=False)
    kept = singular > singular.max(initial=0) * _RESOLUTION
    left, singular, right = left[:, kept], singular[kept], right[kept]
    best = Ridge(np.zeros(columns.shape[1]), 0.0, scales[0], np.inf)
    for scale in scales:
        target = scale.scaled(truth)
        projected = left.T @ target
        for penalty in _PENALTIES:
            shrinkage = singular**2 / (singular**2 + penalty)
            freedom = 1 - 1 / len(truth) - left**2 @ shrinkage
            if freedom.min() < _MIN_FREEDOM and penalty < _PENALTIES[-1]:  # a row is fitted whatever its target is
                continue
            residuals = (target - left @ (shrinkage * projected)) / np.maximum(freedom, _MIN_FREEDOM)
            error = float(np.abs(scale.restored(target - residuals) - truth).mean())
            if error < best.error * (1 - _MIN_GAIN):
                coefficients = right.T @ (shrinkage / singular * projected)
                best = Ridge(coefficients, float(-centre @ coefficients), scale, error)
    return best


def least_squares(data: Prepared) -> keras.Model:
    """Return the network of the plane through the training rows."""
    layout = standardised(data)
    rows = _training_rows(data, layout.features)
    found = fit_ridge(_encoded(data, layout)[rows], data.truth[rows], possible_scales(data.truth[rows], clip=False))
    encoder = build_encoder(layout)
    return _network(encoder, _dense(found, encoder.output), found.scale)


def piecewise_linear(data: Prepared, choices: Sequence[int]) -> keras.Model:
    """Return the network of a sum of piecewise linear functions, with the best of several numbers of pieces.

    A number that gives more than half as many columns as there are rows is only tried if it is the first.
    """
    layout = standardised(data)
    fits: list[tuple[Ridge, Knots | None]] = []
    for pieces in choices:
        knots = quantile_knots(data, layout, pieces)
        columns = _encoded(data, layout, knots)
        rows = _training_rows(data, columns.shape[1])
        if fits and 2 * columns.shape[1] > len(rows):
            continue
        fits.append((fit_ridge(columns[rows], data.truth[rows], possible_scales(data.truth[rows])), knots))
    found, knots = min(fits, key=lambda fit: fit[0].error)
    encoder = build_encoder(layout, knots)
    return _network(encoder, _dense(found, encoder.output), found.scale)


def quadratic(data: Prepared) -> keras.Model:
    """Return the network of a polynomial of degree two.

    Raises:
        Unsuitable: the products of the columns would be too many.
    """
    layout = standardised(data)
    width = layout.features
    if width > _MAX_FACTORS:
        raise Unsuitable(f"multiplies at most {_MAX_FACTORS} encoded columns; the table has {width}")
    first, second = np.triu_indices(width)
    rows = _training_rows(data, width + len(first))
    linear = _encoded(data, layout)[rows]
    columns = np.column_stack([linear, linear[:, first] * linear[:, second]])
    deviation = columns.std(axis=0)
    deviation[deviation < 1e-9] = 1
    found = fit_ridge(columns / deviation, data.truth[rows], possible_scales(data.truth[rows]))
    coefficients = found.coefficients / deviation
    form = np.zeros((width, width))
    form[first, second] = coefficients[width:]
    encoder = build_encoder(layout)
    product = keras.layers.Dense(width, use_bias=False, trainable=False, name="form")
    squares = ops.sum(product(encoder.output) * encoder.output, axis=1, keepdims=True)
    product.set_weights([form.T])
    plane = _dense(Ridge(coefficients[:width], found.intercept, found.scale, found.error), encoder.output)
    return _network(encoder, plane + squares, found.scale)


def _training_rows(data: Prepared, columns: int) -> npt.NDArray[np.int64]:
    """Return the positions of the training rows, or of as many, evenly spaced, as can be fitted with these columns."""
    rows = np.flatnonzero(data.parts == "train")
    return rows[evenly_spaced(len(rows), max(_MAX_CELLS // columns, 1))]


def _encoded(data: Prepared, layout: Layout, knots: Knots | None = None) -> Columns:
    """Return encoded rows as the network computes them, in the precision of the fit."""
    return encode(data.inputs, layout, knots).astype(np.float64)


def _dense(found: Ridge, row: keras.KerasTensor) -> keras.KerasTensor:
    """Return the plane's value, (batch, 1)."""
    layer = keras.layers.Dense(1, trainable=False, name="plane")
    value = layer(row)
    layer.set_weights([found.coefficients[:, np.newaxis], np.array([found.intercept])])
    return value


def _network(encoder: keras.Model, scaled: keras.KerasTensor, scale: TargetScale) -> keras.Model:
    return keras.Model(encoder.input, scale.restore(scaled), name="regressor")

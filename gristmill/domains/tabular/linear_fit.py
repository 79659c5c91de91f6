"""Models that are linear in encoded columns: ridge regression of a number, logistic regression of classes.

Ridge regression chooses the penalty, and the scale of the target, by the mean absolute error of predictions that leave
out one row at a time, which it gives without refitting. Of ordered rows, the last fifth is left out. Sources: Hoerl &
Kennard, "Ridge regression", Technometrics 12(1), 1970; Allen, "The relationship between variable selection and data
augmentation and a method for prediction", Technometrics 16(1), 1974. Logistic regression is that of all classifiers
(`logistic.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.linalg import solve

from gristmill.domains.common.classification.logistic import choose_penalty, solve_logistic
from gristmill.domains.common.folds import LearningSet, Split
from gristmill.domains.common.supervised import CLOSED_FORM_FOLDS
from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.domains.tabular.encoder import build_encoder, predictor, quantile_knots, standardised
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.errors import Unsuitable
from gristmill.training.deadline import check_deadlines
from gristmill.training.saved_network import as_tensors, predict_once

_PENALTIES = (0.0, *(10.0**power for power in range(-6, 5)))  # 0 is ordinary least squares
_MIN_GAIN = 0.001  # share of the error that a larger penalty must save
_RESOLUTION = 1e-6  # singular values of float32 columns that are smaller, relative to the largest, are noise
_MIN_FREEDOM = 1e-6  # minimum of 1 minus the leverage of a row
_MAX_CELLS = 20_000_000  # rows x columns to fit; larger tables are sampled
_MAX_FACTORS = 50  # encoded columns that are multiplied with each other

Columns = npt.NDArray[np.float64]  # (rows, columns)


@dataclass(frozen=True)
class Plane:
    """A fitted linear function of columns: of a number on its scale, or of the logits of classes."""

    coefficients: npt.NDArray[np.float64]  # (columns, outputs)
    intercept: npt.NDArray[np.float64]  # (outputs,)
    error: float  # mean absolute error, or log loss, of rows that were left out
    scale: TargetScale | None = None  # of a number


def fit_plane(columns: Columns, data: Prepared, rows: npt.NDArray[np.int64], clip: bool = True) -> Plane:
    """Return the function of columns, (rows, columns), with the lowest error for the target of these rows.

    Predictions of a number are kept near the range of the training rows if `clip`.
    """
    groups = None if data.groups is None else data.groups[rows]
    ordered = data.layout.ordered
    if not data.layout.classes:
        truth, positions = data.truth[rows], np.arange(len(rows))
        learned = LearningSet(positions, positions[:0], None, groups, ordered)
        folds = learned.folds(CLOSED_FORM_FOLDS) if ordered or groups is not None else []
        return fit_ridge(columns, truth, possible_scales(truth, clip), folds)
    labels, classes, weights = data.labels[rows], len(data.layout.classes), data.weights_at(rows)
    penalty, loss = choose_penalty(columns, labels, classes, groups=groups, weights=weights, ordered=ordered)
    fitted = solve_logistic(columns, labels, classes, penalty, weights)
    return Plane(fitted.weights, fitted.bias, loss)


def fit_ridge(columns: Columns, truth: Values, scales: Sequence[TargetScale], splits: Sequence[Split] = ()) -> Plane:
    """Return the function with the lowest error of the possible scales and penalties.

    The error leaves out one row at a time or, with splits, the rows that these predict. If several planes fit
    equally well, the one with the smallest coefficients is taken: a name that was not in the training set counts
    nothing.
    """
    # 1. Choose the scale and the penalty, from decompositions that all penalties share.
    folds = [(split, _Decomposed.of(columns[split.fit])) for split in splits if len(split.fit)]
    whole = None if folds else _Decomposed.of(columns)
    left = None if whole is None else (columns - whole.centre) @ whole.right.T / whole.singular
    lowest, best = np.inf, (scales[0], _PENALTIES[-1])
    for scale in scales:
        target = scale.scaled(truth)
        if whole is None or left is None:
            errors_by_penalty = _errors_by_folds(columns, target, folds)
        else:
            errors_by_penalty = _errors_by_row(left, target, whole)
        for penalty, residuals in errors_by_penalty:
            check_deadlines()
            error = float(np.nanmean(np.abs(scale.restored(target - residuals) - truth)))
            if error < lowest * (1 - _MIN_GAIN):
                lowest, best = error, (scale, penalty)
    # 2. Fit all rows.
    scale, penalty = best
    centre, target = columns.mean(axis=0), scale.scaled(truth)
    products = columns.T @ (target - target.mean())
    if whole is None and penalty and len(columns) >= columns.shape[1]:  # faster than another decomposition
        centred = columns - centre
        plane = solve(centred.T @ centred + penalty * np.eye(len(centre)), products, assume_a="pos")
    else:
        plane = (whole or _Decomposed.of(columns)).coefficients(products, penalty)
    return Plane(plane[:, np.newaxis], np.array([-centre @ plane]), lowest, scale)


class _Decomposed(NamedTuple):
    """Singular values and right vectors of centred columns, from which the fits with all penalties follow."""

    centre: Values
    singular: Values  # without those that are noise
    right: Columns  # (singular values, columns)

    @classmethod
    def of(cls, columns: Columns) -> "_Decomposed":
        """Decompose columns, (rows, columns).

        With more rows than columns, their products with each other are decomposed, which is several times as fast and
        as exact as is needed: these lose half of the digits of float64, but the columns were float32.
        """
        check_deadlines()
        centre = columns.mean(axis=0)
        centred = columns - centre
        if len(columns) < columns.shape[1]:
            _, singular, right = np.linalg.svd(centred, full_matrices=False)
        else:
            squares, vectors = np.linalg.eigh(centred.T @ centred)
            singular, right = np.sqrt(np.maximum(squares, 0)), vectors.T
        kept = singular > singular.max(initial=0) * _RESOLUTION
        return cls(centre, singular[kept], right[kept])

    def coefficients(self, products: Values, penalty: float) -> Values:
        """Return the coefficients, given the columns' products with the target, whose mean is 0: (columns,)."""
        return np.asarray(self.right.T @ (self.right @ products / (self.singular**2 + penalty)))


def _errors_by_row(left: Columns, target: Values, whole: _Decomposed) -> Iterator[tuple[float, Values]]:
    """Yield penalties, and for each row the error of a fit without it; `left` has the left vectors, (rows, values)."""
    projected, squares = left.T @ target, left**2
    for penalty in _PENALTIES:
        shrinkage = whole.singular**2 / (whole.singular**2 + penalty)
        freedom = 1 - 1 / len(target) - squares @ shrinkage
        if freedom.min() < _MIN_FREEDOM and penalty < _PENALTIES[-1]:  # a row is fitted whatever its target is
            continue
        yield penalty, (target - left @ (shrinkage * projected)) / np.maximum(freedom, _MIN_FREEDOM)


def _errors_by_folds(
    columns: Columns, target: Values, folds: Sequence[tuple[Split, _Decomposed]]
) -> Iterator[tuple[float, Values]]:
    """Yield penalties, and the error of each row that a fold leaves out, NaN for others."""
    means = [target[split.fit].mean() for split, _ in folds]
    pairs = zip(folds, means, strict=True)
    products = [columns[split.fit].T @ (target[split.fit] - mean) for (split, _), mean in pairs]
    for penalty in _PENALTIES:
        errors = np.full(len(target), np.nan)
        for (split, fold), mean, product in zip(folds, means, products, strict=True):
            predicted = (columns[split.predict] - fold.centre) @ fold.coefficients(product, penalty) + mean
            errors[split.predict] = target[split.predict] - predicted
        yield penalty, errors


def linear(data: Prepared) -> keras.Model:
    """Return the network that is linear in the numbers, with an intercept for each name."""
    layout = standardised(data)
    encoder = build_encoder(layout)
    rows = _training_rows(data, layout.features)
    plane = fit_plane(_encoded(encoder, data, rows), data, rows, clip=False)
    return predictor(encoder, _in_graph(plane, encoder.output), layout, plane.scale)


def choose_pieces(data: Prepared, choices: Sequence[int]) -> int:
    """Return the number of pieces with the lowest error on training rows that were left out.

    A number that gives more than half as many columns as there are rows is only tried if it is the first.
    """
    if len(choices) == 1:
        return choices[0]
    layout = standardised(data)
    errors = {choices[0]: _fit_pieces(data, layout, choices[0])[0].error}
    for pieces in choices[1:] if layout.measures else ():
        width = layout.features + (pieces - 1) * len(layout.measures)
        if 2 * width <= len(_training_rows(data, width)):
            errors[pieces] = _fit_pieces(data, layout, pieces)[0].error
    return min(errors, key=lambda pieces: errors[pieces])


def _fit_pieces(data: Prepared, layout: Layout, pieces: int) -> tuple[Plane, keras.Model]:
    """Return the sum of piecewise linear functions with so many pieces, and the encoder of their pieces."""
    encoder = build_encoder(layout, quantile_knots(data, layout, pieces))
    rows = _training_rows(data, layout.features + (pieces - 1) * len(layout.measures))
    return fit_plane(_encoded(encoder, data, rows), data, rows), encoder


def piecewise_linear(data: Prepared, pieces: int) -> keras.Model:
    """Return the network of a sum of piecewise linear functions."""
    layout = standardised(data)
    plane, encoder = _fit_pieces(data, layout, pieces)
    return predictor(encoder, _in_graph(plane, encoder.output), layout, plane.scale)


def quadratic(data: Prepared) -> keras.Model:
    """Return the network of a polynomial of degree two.

    Raises:
        Unsuitable: the products of the columns would be too many.
    """
    layout = standardised(data)
    width = layout.features
    if width > _MAX_FACTORS:
        raise Unsuitable(f"multiplies at most {_MAX_FACTORS} encoded columns; the table has {width}")
    # 1. Fit a plane to the columns and their products, on equal scales.
    first, second = np.triu_indices(width)
    encoder = build_encoder(layout)
    rows = _training_rows(data, width + len(first))
    single = _encoded(encoder, data, rows)
    columns = np.column_stack([single, single[:, first] * single[:, second]])
    deviation = columns.std(axis=0)
    deviation[deviation < 1e-9] = 1
    plane = fit_plane(columns / deviation, data, rows)
    coefficients = plane.coefficients / deviation[:, np.newaxis]
    # 2. Build the linear part, and a quadratic form for each output.
    row = encoder.output
    value = _in_graph(replace(plane, coefficients=coefficients[:width]), row)
    squares = []
    for output, products in enumerate(coefficients[width:].T):
        form = np.zeros((width, width))
        form[first, second] = products
        product = keras.layers.Dense(width, use_bias=False, trainable=False, name=f"form_{output}")
        squares.append(ops.sum(product(row) * row, axis=1, keepdims=True))
        product.set_weights([form.T])
    value = value + (ops.concatenate(squares, axis=1) if len(squares) > 1 else squares[0])
    return predictor(encoder, value, layout, plane.scale)


def _training_rows(data: Prepared, columns: int) -> npt.NDArray[np.int64]:
    """Return the positions of the training rows, or of a sample of as many as can be fitted with these columns."""
    return data.sample_training(max(_MAX_CELLS // columns, 1))


def _encoded(encoder: keras.Model, data: Prepared, rows: npt.NDArray[np.int64]) -> Columns:
    """Return encoded rows as the network computes them, in the precision of the fit."""
    return predict_once(encoder, as_tensors(data.inputs_at(rows))).astype(np.float64)


def _in_graph(plane: Plane, row: keras.KerasTensor) -> keras.KerasTensor:
    """Return the function's value, (batch, outputs)."""
    layer = keras.layers.Dense(len(plane.intercept), trainable=False, name="plane")
    value = layer(row)
    layer.set_weights([plane.coefficients, plane.intercept])
    return value

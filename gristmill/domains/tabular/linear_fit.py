"""Models that are linear in encoded columns: ridge regression of a number, logistic regression of classes.

Ridge regression chooses the penalty, and the scale of the target, by the mean absolute error of predictions that leave
out one row at a time, which it gives without refitting. Of ordered rows, the last fifth is left out. Sources: Hoerl &
Kennard, "Ridge regression", Technometrics 12(1), 1970; Allen, "The relationship between variable selection and data
augmentation and a method for prediction", Technometrics 16(1), 1974. Logistic regression is that of all classifiers
(`logistic.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.common.classification.logistic import choose_penalty, solve_logistic
from gristmill.domains.common.fold_training import CLOSED_FORM_FOLDS
from gristmill.domains.common.folds import LearningSet, Split
from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.domains.tabular.encoder import Knots, build_encoder, encode, predictor, quantile_knots, standardised
from gristmill.domains.tabular.held_out import sample_training
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.errors import Unsuitable

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
    ordered, positions = data.layout.ordered, np.arange(len(rows))
    if not data.layout.classes:
        learned = LearningSet(positions, positions[:0], None, groups, ordered)
        folds = learned.folds(CLOSED_FORM_FOLDS) if ordered or groups is not None else []
        return fit_ridge(columns, data.truth[rows], possible_scales(data.truth[rows], clip), folds)
    labels, classes = data.labels[rows], len(data.layout.classes)
    weights = data.weights_at(rows)
    penalty, loss = choose_penalty(columns, labels, classes, groups=groups, weights=weights, ordered=ordered)
    fitted = solve_logistic(columns, labels, classes, penalty, weights)
    return Plane(fitted.weights, fitted.bias, loss)


def fit_ridge(columns: Columns, truth: Values, scales: Sequence[TargetScale], splits: Sequence[Split] = ()) -> Plane:
    """Return the function with the lowest error of the possible scales and penalties.

    The error leaves out one row at a time or, with splits, the rows that these predict. If several planes fit
    equally well, the one with the smallest coefficients is taken: a name that was not in the training set counts
    nothing.
    """
    centre = columns.mean(axis=0)
    left, singular, right = _decomposed(columns - centre)
    folds = [_Fold.of(columns, split) for split in splits if len(split.fit)]
    best = Plane(np.zeros((columns.shape[1], 1)), np.zeros(1), np.inf, scales[0])
    for scale in scales:
        target = scale.scaled(truth)
        projected = left.T @ target
        for penalty in _PENALTIES:
            shrinkage = singular**2 / (singular**2 + penalty)
            freedom = 1 - 1 / len(truth) - left**2 @ shrinkage
            if freedom.min() < _MIN_FREEDOM and penalty < _PENALTIES[-1]:  # a row is fitted whatever its target is
                continue
            if folds:
                residuals = np.full(len(target), np.nan)
                for fold in folds:
                    residuals[fold.split.predict] = fold.residuals(columns, target, penalty)
            else:
                residuals = (target - left @ (shrinkage * projected)) / np.maximum(freedom, _MIN_FREEDOM)
            error = float(np.nanmean(np.abs(scale.restored(target - residuals) - truth)))
            if error < best.error * (1 - _MIN_GAIN):
                coefficients = right.T @ (shrinkage / singular * projected)
                best = Plane(coefficients[:, np.newaxis], np.array([-centre @ coefficients]), error, scale)
    return best


class _Fold(NamedTuple):
    """Rows that are left out, and the decomposition of the others."""

    split: Split
    centre: Values
    left: Columns
    singular: Values
    right: Columns

    @classmethod
    def of(cls, columns: Columns, split: Split) -> "_Fold":
        centre = columns[split.fit].mean(axis=0)
        return cls(split, centre, *_decomposed(columns[split.fit] - centre))

    def residuals(self, columns: Columns, target: Values, penalty: float) -> Values:
        """Return the errors of the rows that are left out, by a fit with a penalty."""
        learned = target[self.split.fit]
        weights = self.singular / (self.singular**2 + penalty) * (self.left.T @ (learned - learned.mean()))
        found: Values = (columns[self.split.predict] - self.centre) @ (self.right.T @ weights) + learned.mean()
        return target[self.split.predict] - found


def _decomposed(columns: Columns) -> tuple[Columns, Values, Columns]:
    """Return the singular value decomposition of columns, without singular values that are noise.

    With more rows than columns it comes from the columns' products with each other, which is several times as fast and
    as exact as is needed: these lose half of the digits of float64, but the columns were float32.
    """
    if len(columns) < columns.shape[1]:
        left, singular, right = np.linalg.svd(columns, full_matrices=False)
        kept = singular > singular.max(initial=0) * _RESOLUTION
        return left[:, kept], singular[kept], right[kept]
    squares, vectors = np.linalg.eigh(columns.T @ columns)
    kept = squares > squares.max(initial=0) * _RESOLUTION**2
    singular, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return columns @ vectors / singular, singular, vectors.T


def linear(data: Prepared) -> keras.Model:
    """Return the network that is linear in the numbers, with an intercept for each name."""
    layout = standardised(data)
    rows = _training_rows(data, layout.features)
    found = fit_plane(_encoded(data, rows, layout), data, rows, clip=False)
    encoder = build_encoder(layout)
    return predictor(encoder, _in_graph(found, encoder.output), layout, found.scale)


def piecewise_linear(data: Prepared, choices: Sequence[int]) -> keras.Model:
    """Return the network of a sum of piecewise linear functions, with the best of several numbers of pieces.

    A number that gives more than half as many columns as there are rows is only tried if it is the first.
    """
    layout = standardised(data)
    fits: list[tuple[Plane, Knots | None]] = []
    for pieces in choices:
        knots = quantile_knots(data, layout, pieces)
        width = layout.features + (pieces - 1) * len(layout.measures)
        rows = _training_rows(data, width)
        if fits and (2 * width > len(rows) or knots is None):
            continue
        fits.append((fit_plane(_encoded(data, rows, layout, knots), data, rows), knots))
    found, knots = min(fits, key=lambda fit: fit[0].error)
    encoder = build_encoder(layout, knots)
    return predictor(encoder, _in_graph(found, encoder.output), layout, found.scale)


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
    single = _encoded(data, rows, layout)
    columns = np.column_stack([single, single[:, first] * single[:, second]])
    deviation = columns.std(axis=0)
    deviation[deviation < 1e-9] = 1
    found = fit_plane(columns / deviation, data, rows)
    coefficients = found.coefficients / deviation[:, np.newaxis]
    encoder = build_encoder(layout)
    row, value = encoder.output, _in_graph(replace(found, coefficients=coefficients[:width]), encoder.output)
    squares = []
    for output, products in enumerate(coefficients[width:].T):
        form = np.zeros((width, width))
        form[first, second] = products
        product = keras.layers.Dense(width, use_bias=False, trainable=False, name=f"form_{output}")
        squares.append(ops.sum(product(row) * row, axis=1, keepdims=True))
        product.set_weights([form.T])
    value = value + (ops.concatenate(squares, axis=1) if len(squares) > 1 else squares[0])
    return predictor(encoder, value, layout, found.scale)


def _training_rows(data: Prepared, columns: int) -> npt.NDArray[np.int64]:
    """Return the positions of the training rows, or of a sample of as many as can be fitted with these columns."""
    return sample_training(data, max(_MAX_CELLS // columns, 1))


def _encoded(data: Prepared, rows: npt.NDArray[np.int64], layout: Layout, knots: Knots | None = None) -> Columns:
    """Return encoded rows as the network computes them, in the precision of the fit."""
    return encode(layout.inputs(data.table.iloc[rows]), layout, knots).astype(np.float64)


def _in_graph(found: Plane, row: keras.KerasTensor) -> keras.KerasTensor:
    """Return the function's value, (batch, outputs)."""
    layer = keras.layers.Dense(len(found.intercept), trainable=False, name="plane")
    value = layer(row)
    layer.set_weights([found.coefficients, found.intercept])
    return value

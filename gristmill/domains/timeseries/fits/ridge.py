"""Ridge regression on windows, with a given penalty or with one chosen by cross-validation.

Folds are contiguous in time, because neighbouring windows share most of their values. Only sums over the windows of
each fold are kept, so memory does not grow with the number of windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.series_scale import SeriesUnits, typically_scaled
from gristmill.domains.timeseries.data.view import check_complete
from gristmill.domains.timeseries.data.windows import Origins, thinned
from gristmill.domains.timeseries.fits.normalisation import (
    in_raw_units,
    normalised,
    normalised_targets,
    scaled,
    standardised,
)
from gristmill.domains.timeseries.models import Shape
from gristmill.training.average_network import equal_average
from gristmill.training.deadline import check_deadlines
from gristmill.util.chunking import in_blocks

Array = npt.NDArray[np.float64]
Solution = tuple[Array, Array]  # kernel, (features, outputs), and bias, (outputs,)

FOLDS = 5
PENALTIES = np.logspace(-7, 1.5, 18)  # penalties per window
MAX_ERROR = 1.25  # maximum error of a normalisation in the mean, as a multiple of the lowest one
MAX_WINDOWS = 200_000  # more windows are thinned out evenly
WINDOWS_PER_BLOCK = 16_384  # bounds the memory


@dataclass(frozen=True)
class Sums:
    """Sums over windows that determine least-squares solutions; the last feature is a constant 1."""

    gram: Array  # (features + 1, features + 1)
    cross: Array  # (features + 1, outputs)
    squares: float  # weighted sum over all targets

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.gram + other.gram, self.cross + other.cross, self.squares + other.squares)

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(self.gram - other.gram, self.cross - other.cross, self.squares - other.squares)

    def squared_error(self, solution: Solution) -> float:
        """Return the sum of squared errors of a solution."""
        weights = np.vstack(solution)
        return float(((self.gram @ weights - 2 * self.cross) * weights).sum() + self.squares)

    def solve(self, l2: float) -> Solution:
        """Return the ridge solution, also of features that depend on each other without a penalty."""
        size = len(self.gram) - 1
        solution = np.linalg.lstsq(self.gram + l2 * np.diag([1.0] * size + [0.0]), self.cross)[0]
        return np.asarray(solution[:-1], np.float64), np.asarray(solution[-1], np.float64)

    def solutions(self, penalties: Array) -> Iterator[Solution]:
        """Yield the ridge solution of each penalty of a window, by one decomposition for all."""
        weight = self.gram[-1, -1]
        means, centre = self.gram[-1, :-1] / weight, self.cross[-1] / weight
        values, vectors = np.linalg.eigh(self.gram[:-1, :-1] - weight * np.outer(means, means))
        rotated = vectors.T @ (self.cross[:-1] - weight * np.outer(means, centre))
        for penalty in penalties * weight:
            kernel = vectors @ (rotated / (np.maximum(values, 0.0) + penalty)[:, np.newaxis])
            yield kernel, centre - means @ kernel


class Windows:
    """Features and targets of windows: lags and known columns as a linear model sees them."""

    def __init__(self, data: Prepared, decay: float = 0.0) -> None:
        """Lag k is multiplied by k ** -decay, so that old values have a larger penalty."""
        layout = data.layout
        self.data, self.units, self.shape = data, SeriesUnits(data), Shape.of(layout)
        ages = np.repeat(np.arange(layout.history, 0, -1.0), layout.channels)
        self.importance = np.concatenate([ages**-decay, np.ones(layout.horizon * len(layout.known))])

    def rows(self, starts: Origins) -> tuple[Array, Array, Array]:
        """Return features, targets and the scale of the targets, (windows, features) and (windows, outputs) twice."""
        check_deadlines()
        window = ops.convert_to_tensor(scaled(self.data.histories(starts), self.data.layout))
        features = np.asarray(self.shape.lags(normalised(window, self.data.layout)), np.float64) * self.importance
        return features, *normalised_targets(self.data, window, starts)

    def sums(self, starts: Origins) -> Sums:
        """Return the sums over windows, some of them at a time."""
        parts = []
        for block in in_blocks(starts, WINDOWS_PER_BLOCK):
            features, targets, scale = self.rows(block)
            weights = np.square(self.units.weights(block, scale))
            design = np.column_stack([features, np.ones(len(features))])
            weighted = (design * weights[:, np.newaxis]).T
            squares = float(weights @ np.square(targets).sum(axis=1))
            parts.append(Sums(weighted @ design, weighted @ targets, squares))
        return reduce(Sums.__add__, parts)

    def scaled_error(self, starts: Origins, solution: Solution) -> float:
        """Return the mean absolute error of a solution in the scale of each series."""
        total = 0.0
        for block in in_blocks(starts, WINDOWS_PER_BLOCK):
            features, targets, scale = self.rows(block)
            errors = np.abs(features @ solution[0] + solution[1] - targets) * scale / self.units.of(block)
            total += float(errors.mean(axis=1).sum())
        return total / len(starts)

    def forecaster(self, solution: Solution) -> keras.Model:
        """Return the network of a solution, from raw windows to raw forecasts."""
        window = keras.Input((self.shape.history, self.shape.columns))
        dense = keras.layers.Dense(self.shape.outputs, name="lags")
        core = keras.Model(window, dense(self.shape.lags(window)), name="linear")
        dense.set_weights([self.importance[:, np.newaxis] * solution[0], solution[1]])
        return in_raw_units(standardised(core, self.data.layout), self.data.layout)


def fit(data: Prepared, l2: float) -> keras.Model:
    """Return the forecaster with a given penalty."""
    check_complete(data)
    windows = Windows(data)
    starts = thinned(data.complete_origins("train"), MAX_WINDOWS)
    return windows.forecaster(windows.sums(starts).solve(l2))


def choose(data: Prepared, decay: float, normalise: str | None) -> keras.Model:
    """Return the forecaster at the penalty with the lowest error on left-out windows.

    If no normalisation is given, it is the mean of forecasters with different ones. Cross-validation does not show
    which one extrapolates better: in backtests of twelve series, the mean had a lower error than the normalisation
    chosen by cross-validation on eleven. Cross-validation only leaves out normalisations that are much worse.
    """
    check_complete(data)
    data = typically_scaled(data)
    choices = [normalise] if normalise else ["none", "last", *(["reversible"] if len(data.ids) > 1 else [])]
    layouts = [replace(data.layout, normalise=choice, residual=False) for choice in choices]
    candidates = [Windows(replace(data, layout=layout), decay) for layout in layouts]
    fitted = [(windows, *cross_validate(windows)) for windows in candidates]
    limit = MAX_ERROR * min(error for _, error, _ in fitted)
    return equal_average([windows.forecaster(solution) for windows, error, solution in fitted if error <= limit])


def cross_validate(windows: Windows) -> tuple[float, Solution]:
    """Return the error on left-out windows at the best penalty, and the solution on all windows."""
    # Solve for all penalties without each fold.
    starts = thinned(windows.data.complete_origins("train"), MAX_WINDOWS)
    folds = np.array_split(starts, min(FOLDS, len(starts)))
    sums = [windows.sums(fold) for fold in folds]
    whole = reduce(Sums.__add__, sums)
    solutions = [list((whole - left_out).solutions(PENALTIES)) for left_out in sums]

    # Choose the penalty with the lowest error on the folds.
    pairs = zip(sums, solutions, strict=True)
    squares = [[left_out.squared_error(solution) for solution in without] for left_out, without in pairs]
    best = int(np.sum(squares, axis=0).argmin())
    errors = [windows.scaled_error(fold, without[best]) for fold, without in zip(folds, solutions, strict=True)]
    error = float(np.average(errors, weights=[len(fold) for fold in folds]))
    return error, next(whole.solutions(PENALTIES[best : best + 1]))

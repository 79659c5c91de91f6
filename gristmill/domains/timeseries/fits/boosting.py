"""Boosted trees over the windows of all series: one model for all steps of the horizon, a row for each step.

The network that computes the features for training is part of the network that is exported, so trees see the same
float32 numbers.
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.feed import scaled
from gristmill.domains.timeseries.data.series_scale import SeriesUnits, typically_scaled
from gristmill.domains.timeseries.data.windows import Origins, thinned
from gristmill.domains.timeseries.fits.normalisation import around, normalised, offset, standardise
from gristmill.errors import Unsuitable
from gristmill.training.trees.fit import TreeFit, Trees, TreeSettings, fit_trees
from gristmill.training.trees.network import tree_network
from gristmill.util.chunking import in_blocks

MAX_ROWS = 300_000  # windows x steps; more windows are thinned out evenly
MIN_WINDOWS = 40
MAX_LEAVES_SOUGHT = 300_000_000  # trees x steps in a forecast of every series; above it, fewer trees learn faster
MIN_ROUNDS = 300  # for however many series
WINDOWS_PER_BLOCK = 4096  # bounds the memory of features under way
VALIDATION_SHARE = 0.2  # share of the windows, the latest ones, on which the number of rounds is chosen
MAX_LAGS = 24  # newest values that are features of their own
DEVIATION_LENGTHS = (8, 32)  # of the last values, in observations
SEASONS = 2  # values of the same place in the season, one and two seasons ago


def fit(data: Prepared, normalise: str | None, settings: TreeSettings) -> keras.Model:
    """Return the forecaster whose trees add to the last value of a window, in the scale of the window.

    Raises:
        Unsuitable: there are too few windows, or LightGBM cannot be loaded.
    """
    several = len(data.ids) > 1
    choice = normalise or ("reversible" if several else "last")
    data = typically_scaled(data)
    data = replace(data, layout=replace(data.layout, normalise=choice, residual=True))
    starts = data.complete_origins("train")
    if len(starts) < MIN_WINDOWS:
        raise Unsuitable(f"needs {MIN_WINDOWS} windows in the training set; it has {len(starts)}")
    starts = thinned(starts, MAX_ROWS // data.layout.horizon)
    starts = starts[np.argsort(data.times[starts], kind="stable")]
    features = features_network(data, levels=not several)
    rows = rows_of(data, features, starts)
    learned = round(len(starts) * (1 - VALIDATION_SHARE)) * data.layout.horizon
    settings = replace(settings, min_rows=max(2, min(settings.min_rows, learned // 20)))
    few = affordable(settings, len(data.ids) * data.layout.horizon)
    (trees,) = fit_trees([rows.fit(few or with_best_rounds(settings, rows, learned))])
    return forecaster(data, features, trees)


def affordable(settings: TreeSettings, steps: int) -> TreeSettings | None:
    """Return settings with fewer rounds and a higher learning rate, if a forecast of so many steps needs them.

    With so many series, a search for the best number of rounds would choose the maximum, so none is needed.
    """
    maximum = int(np.max(settings.rounds))
    rounds = max(MIN_ROUNDS, MAX_LEAVES_SOUGHT // steps)
    if rounds >= maximum:
        return None
    return replace(settings, rounds=rounds, learning_rate=settings.learning_rate * maximum / rounds)


def with_best_rounds(settings: TreeSettings, rows: "Rows", learned: int) -> TreeSettings:
    """Return settings with the number of rounds, for each target, that is best on the rows after the first ones."""
    tried, held_out = rows.part(0, learned), rows.part(learned, len(rows.targets))
    (found,) = fit_trees([tried.fit(settings, (held_out.features, held_out.targets))])
    rounds = tuple(int(max(1, count)) for count in found.rounds)
    return replace(settings, rounds=rounds if len(rounds) > 1 else rounds[0])


@dataclass(frozen=True)
class Rows:
    """Features and targets of the steps of windows, in the order of time."""

    features: npt.NDArray[np.float32]  # (rows, features)
    targets: npt.NDArray[np.float64]  # (rows, targets), minus the last value and in the scale of the window
    weights: npt.NDArray[np.float64]  # (rows,)

    def part(self, begin: int, end: int) -> "Rows":
        """Return some of the rows."""
        return Rows(self.features[begin:end], self.targets[begin:end], self.weights[begin:end])

    def fit(self, settings: TreeSettings, validation: Any = None) -> TreeFit:
        """Return the fit of trees on these rows."""
        return TreeFit(self.features, self.targets, settings, validation, self.weights)


def features_network(data: Prepared, levels: bool) -> keras.Model:
    """Return the network from standardised windows to features, (batch, horizon, features)."""
    window = keras.Input((data.layout.history, len(data.layout.columns)))
    return keras.Model(window, step_features(window, data.layout, levels), name="features")


def step_features(window: Any, layout: Layout, levels: bool) -> Any:
    """Return the features of standardised windows, (batch, history, columns) to (batch, horizon, features).

    These are normalised lags, means and deviations of the last values, values of the same place in earlier seasons, the
    known columns of the step, and its number. With `levels`, lags and means are also given without normalisation: for
    one series, trees can learn from the level itself.
    """
    channels, horizon = layout.channels, layout.horizon
    values = normalised(window, layout)[:, :, :channels]
    parts = _lags_and_means(values)
    if levels and layout.normalise != "none":
        parts += _lags_and_means(window[:, :, :channels])
    targets = values[:, :, : len(layout.targets)]
    parts += [ops.std(targets[:, -length:], axis=1) for length in DEVIATION_LENGTHS if length <= layout.history]
    common = ops.concatenate(parts, axis=-1)
    steps = ops.repeat(common[:, None, :], horizon, axis=1)
    columns = [steps, *_seasonal(targets, layout)]
    if layout.known:
        columns.append(window[:, -horizon:, channels:])
    if horizon > 1:
        columns.append(ops.cumsum(ops.ones_like(steps[:, :, :1]), axis=1))
    return ops.concatenate(columns, axis=-1)


def _lags_and_means(values: Any) -> list[Any]:
    """Return the last values, and the means of the last 2, 4, 8, …, of each channel, (batch, features) each."""
    history, channels = values.shape[1:]
    lags = min(MAX_LAGS, history)
    lengths = [2**power for power in range(1, history.bit_length()) if 2**power <= history]
    return [
        ops.reshape(values[:, -lags:], (-1, lags * channels)),
        *(ops.mean(values[:, -length:], axis=1) for length in lengths),
    ]


def _seasonal(targets: Any, layout: Layout) -> list[Any]:
    """Return the values one, two, … seasons before each step, (batch, horizon, targets) each."""
    history, season = layout.history, layout.season
    if not season:
        return []
    places = [
        [history - ago * season + step % season for step in range(layout.horizon)] for ago in range(1, SEASONS + 1)
    ]
    return [ops.take(targets, steps, axis=1) for steps in places if min(steps) >= 0 and max(steps) < history]


def rows_of(data: Prepared, features: keras.Model, starts: Origins) -> Rows:
    """Return the rows of windows, step after step."""
    layout, count = data.layout, len(data.layout.targets)
    raw = keras.Input((layout.history, len(layout.columns)))
    network = keras.Model(raw, features(standardise(layout)(raw)))
    blocks = [data.histories(block) for block in in_blocks(starts, WINDOWS_PER_BLOCK)]
    found = np.concatenate([np.asarray(network(block)) for block in blocks])
    standard = ops.convert_to_tensor(scaled(np.concatenate(blocks), layout))
    shift, scale = (np.asarray(value) for value in offset(standard, layout))
    targets = (scaled(data.targets(starts), layout, targets_only=True) - shift) / scale
    outputs = np.broadcast_to(scale, targets.shape).reshape(len(starts), -1)
    weights = np.square(SeriesUnits(data).weights(starts, outputs))
    return Rows(
        found.reshape(-1, found.shape[-1]),
        targets.reshape(-1, count).astype(np.float64),
        np.repeat(weights / weights.mean(), layout.horizon),
    )


def forecaster(data: Prepared, features: keras.Model, trees: Trees) -> keras.Model:
    """Return the network from raw windows to raw forecasts."""
    layout = data.layout
    window = keras.Input(features.input_shape[1:])
    rows = ops.reshape(features(window), (-1, features.output_shape[-1]))
    steps = ops.reshape(tree_network(rows, trees), (-1, layout.horizon, len(layout.targets)))
    shift, scale = offset(window, layout)
    # The order matters: Keras adds a second summand (batch, 1, 1) as a bias along the steps if batch = horizon.
    return around(keras.Model(window, shift + steps * scale, name="boosted_trees"), layout)

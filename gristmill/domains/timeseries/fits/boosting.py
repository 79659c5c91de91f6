"""Boosted trees over the windows of all series: one model for all steps of the horizon, a row for each step.

The network that computes the features for training is part of the network that is exported, so trees see the same
float32 numbers.
"""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.series_scale import SeriesUnits, typically_scaled
from gristmill.domains.timeseries.data.windows import Origins, thinned
from gristmill.domains.timeseries.fits.normalisation import (
    in_raw_units,
    normalised,
    normalised_targets,
    offset,
    scaled,
    standardise,
)
from gristmill.domains.timeseries.models import lags_and_means
from gristmill.errors import Unsuitable
from gristmill.training.trees.fit import fit_trees
from gristmill.training.trees.network import tree_network
from gristmill.training.trees.tree_data import TreeFit, Trees, TreeSettings
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
    # See the windows minus their last value, and on the scale of a typical series.
    several = len(data.ids) > 1
    choice = normalise or ("reversible" if several else "last")
    data = typically_scaled(data)
    data = replace(data, layout=replace(data.layout, normalise=choice, residual=True))

    # Compute a row for each step of the windows, in the order of time.
    starts = data.complete_origins("train")
    if len(starts) < MIN_WINDOWS:
        raise Unsuitable(f"needs {MIN_WINDOWS} windows in the training set; it has {len(starts)}")
    starts = thinned(starts, MAX_ROWS // data.layout.horizon)
    starts = starts[np.argsort(data.times[starts], kind="stable")]
    network = features_network(data, levels=not several)
    features, targets, weights = rows_of(data, network, starts)

    # If a forecast of so many series can afford only fewer rounds, let them learn faster. A search would choose the
    # maximum then. Otherwise use the number of rounds of each target that is best on the latest windows.
    learned = round(len(starts) * (1 - VALIDATION_SHARE)) * data.layout.horizon
    settings = replace(settings, min_rows=max(2, min(settings.min_rows, learned // 20)))
    maximum = int(np.max(settings.rounds))
    affordable = max(MIN_ROUNDS, MAX_LEAVES_SOUGHT // (len(data.ids) * data.layout.horizon))
    if affordable < maximum:
        faster = settings.learning_rate * maximum / affordable
        settings = replace(settings, rounds=affordable, learning_rate=faster)
    else:
        latest = (features[learned:], targets[learned:])
        (trial,) = fit_trees([TreeFit(features[:learned], targets[:learned], settings, latest, weights[:learned])])
        rounds = tuple(int(max(1, count)) for count in trial.rounds)
        settings = replace(settings, rounds=rounds if len(rounds) > 1 else rounds[0])

    # Fit the trees on all windows.
    (trees,) = fit_trees([TreeFit(features, targets, settings, weights=weights)])
    return forecaster(data, network, trees)


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
    lags = min(MAX_LAGS, layout.history)
    lengths = [2**power for power in range(1, layout.history.bit_length())]
    values = normalised(window, layout)[:, :, :channels]
    parts = lags_and_means(values, lags, lengths)
    if levels and layout.normalise != "none":
        parts += lags_and_means(window[:, :, :channels], lags, lengths)
    targets = values[:, :, : len(layout.targets)]
    parts += [ops.std(targets[:, -length:], axis=1) for length in DEVIATION_LENGTHS if length <= layout.history]
    common = ops.concatenate(parts, axis=-1)
    steps = ops.repeat(common[:, None, :], horizon, axis=1)
    columns = [steps]
    if season := layout.season:  # the values one, two, … seasons before each step, (batch, horizon, targets) each
        phases = np.arange(horizon) % season
        places = [(layout.history - ago * season + phases).tolist() for ago in range(1, SEASONS + 1)]
        within = [place for place in places if min(place) >= 0 and max(place) < layout.history]
        columns += [ops.take(targets, place, axis=1) for place in within]
    if layout.known:
        columns.append(window[:, -horizon:, channels:])
    if horizon > 1:
        columns.append(ops.cumsum(ops.ones_like(steps[:, :, :1]), axis=1))
    return ops.concatenate(columns, axis=-1)


def rows_of(
    data: Prepared, features: keras.Model, starts: Origins
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the rows of windows, step after step: features, (rows, features), targets, (rows, targets), and weights.

    Targets are minus the last value and in the scale of the window.
    """
    layout = data.layout
    raw = keras.Input((layout.history, len(layout.columns)))
    network = keras.Model(raw, features(standardise(layout)(raw)))
    blocks = [data.histories(block) for block in in_blocks(starts, WINDOWS_PER_BLOCK)]
    rows = np.concatenate([np.asarray(network(block)) for block in blocks])
    window = ops.convert_to_tensor(scaled(np.concatenate(blocks), layout))
    targets, scale = normalised_targets(data, window, starts)
    weights = np.square(SeriesUnits(data).weights(starts, scale))
    weights = np.repeat(weights / weights.mean(), layout.horizon)
    return rows.reshape(-1, rows.shape[-1]), targets.reshape(-1, len(layout.targets)), weights


def forecaster(data: Prepared, features: keras.Model, trees: Trees) -> keras.Model:
    """Return the network from raw windows to raw forecasts."""
    layout = data.layout
    window = keras.Input(features.input_shape[1:])
    rows = ops.reshape(features(window), (-1, features.output_shape[-1]))
    steps = ops.reshape(tree_network(rows, trees), (-1, layout.horizon, len(layout.targets)))
    shift, scale = offset(window, layout)
    # The order matters: Keras adds a second summand (batch, 1, 1) as a bias along the steps if batch = horizon.
    return in_raw_units(keras.Model(window, shift + steps * scale, name="boosted_trees"), layout)

"""Boosted trees for tables: features in the graph, the number of rounds by cross-validation, and the network."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import only, raw_input
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.training.lookup_tables import frozen_table
from gristmill.training.saved_network import as_tensors, predict_in_batches
from gristmill.training.tree_network import tree_network
from gristmill.training.trees import TreeFit, Trees, TreeSettings, average_trees, fit_trees

if TYPE_CHECKING:
    from gristmill.domains.tabular.models.boosted_trees import BoostedTrees

_OBJECTIVES: dict[str, Any] = {"huber": "huber", "mae": "l1", "mse": "l2"}
_MAX_ROUNDS, _PATIENCE = 2_000, 40
_MIN_ROWS_WITHOUT_FOLDS = 2_500  # with fewer, choices are made on five folds, and several sums of trees are averaged
_SUMS_OF_SMALL_TABLE = 4
_SHARE_LEFT_OUT = 5  # one in five rows
_SMOOTHING = 10.0  # rows with the overall mean that are added to those of each name

Mask = npt.NDArray[np.bool_]  # (rows,)


def choose(data: Prepared, settings: "BoostedTrees") -> dict[str, Any]:
    """Return `rounds` and `logarithm` with the lowest mean absolute error on training rows that were left out."""
    rows = np.flatnonzero(data.parts == "train")
    fold = np.random.default_rng(settings.seed).permutation(np.arange(len(rows)) % _SHARE_LEFT_OUT)
    folds = [rows[fold == number] for number in range(_SHARE_LEFT_OUT if len(rows) < _MIN_ROWS_WITHOUT_FOLDS else 1)]
    truth, logarithm = data.truth[rows], settings.logarithm
    scales = possible_scales(truth) if logarithm is None else [TargetScale.fit(truth, logarithm)]
    rounds = settings.rounds or _MAX_ROUNDS
    inputs = [_features(_without(data, left_out)) for left_out in folds]
    fits = [
        replace(
            _fit(data, np.setdiff1d(rows, left_out), features, scale, settings, rounds),
            validation=(features[left_out], scale.scaled(data.truth[left_out])),
        )
        for scale in scales
        for left_out, features in zip(folds, inputs, strict=True)
    ]
    found = fit_trees(fits)
    best: dict[str, Any] = {}
    lowest = np.inf
    for number, scale in enumerate(scales):
        trees = found[number * len(folds) : (number + 1) * len(folds)]
        errors = [
            np.abs(scale.restored(forest.predict(features[left_out])[:, 0].astype(np.float64)) - data.truth[left_out])
            for forest, left_out, features in zip(trees, folds, inputs, strict=True)
        ]
        if (error := float(np.concatenate(errors).mean())) < lowest:
            lowest = error
            mean_rounds = round(float(np.mean([forest.rounds[0] for forest in trees])))
            best = {"rounds": settings.rounds or mean_rounds, "logarithm": scale.logarithm}
    return best


def tree_regression(data: Prepared, settings: "BoostedTrees", rounds: int) -> keras.Model:
    """Return the network of trees fitted to the training rows."""
    rows = np.flatnonzero(data.parts == "train")
    scale = TargetScale.fit(data.truth[rows], bool(settings.logarithm))
    encoder = feature_network(data)
    features = predict_in_batches(encoder, as_tensors(data.inputs))
    sums = settings.sums or (_SUMS_OF_SMALL_TABLE if len(rows) < _MIN_ROWS_WITHOUT_FOLDS else 1)
    first = _fit(data, rows, features, scale, settings, rounds)
    fits = [replace(first, settings=replace(first.settings, seed=settings.seed + number)) for number in range(sums)]
    trees: Trees = average_trees(fit_trees(fits))
    return keras.Model(encoder.input, scale.restore(tree_network(encoder.output, trees)), name="regressor")


def feature_network(data: Prepared) -> keras.Model:
    """Return the network from raw inputs to features, (batch, numbers + categories).

    A name becomes its rank among the names of its category, by their mean targets in the training rows, drawn towards
    the mean of all rows. An unknown name lies between those below and above the mean of all.
    """
    layout = data.layout
    inputs = raw_input(layout)
    features = [inputs["numbers"]] if layout.numbers else []
    trained = data.parts == "train"
    for at, (column, names) in enumerate(layout.categories.items()):
        lookup = keras.layers.StringLookup(vocabulary=names, oov_token="", name=f"category_{at}")
        ranks = name_ranks(data.table[column].to_numpy(object)[trained].astype(str), data.truth[trained], names)
        features.append(frozen_table(ranks[:, np.newaxis], f"ranks_{at}")(lookup(inputs["categories"][:, at])))
    row = keras.layers.Concatenate(name="row")(features) if len(features) > 1 else features[0]
    return keras.Model(only(inputs), row, name="features")


def name_ranks(found: npt.NDArray[np.str_], truth: Values, names: list[str]) -> Values:
    """Return the rank of an unknown name, then of each of the sorted names, from 0 on."""
    known = np.isin(found, names)
    positions = np.searchsorted(names, found[known])
    counts = np.bincount(positions, minlength=len(names))
    sums = np.bincount(positions, weights=truth[known] - truth.mean(), minlength=len(names))
    means = sums / (counts + _SMOOTHING)
    ranks = np.empty(len(names))
    ranks[np.argsort(means, kind="stable")] = np.arange(len(names))
    return np.append((means < 0).sum() - 0.5, ranks)


def _without(data: Prepared, rows: npt.NDArray[np.int64]) -> Prepared:
    """Return the data with some training rows left out."""
    parts = data.parts.copy()
    parts[rows] = "test"
    return replace(data, parts=parts)


def _features(data: Prepared) -> npt.NDArray[np.float32]:
    return predict_in_batches(feature_network(data), as_tensors(data.inputs))


def _fit(
    data: Prepared,
    rows: npt.NDArray[np.int64],
    features: npt.NDArray[np.float32],
    scale: TargetScale,
    settings: "BoostedTrees",
    rounds: int,
) -> TreeFit:
    """Return the fit of trees to some rows."""
    options = TreeSettings(
        objective=_OBJECTIVES[settings.loss],
        rounds=rounds,
        patience=_PATIENCE,
        learning_rate=settings.learning_rate,
        leaves=settings.leaves,
        depth=settings.depth,
        min_rows=settings.min_rows,
        row_share=settings.row_share,
        column_share=settings.column_share,
        seed=settings.seed,
    )
    return TreeFit(features[rows], scale.scaled(data.truth[rows]), options)

"""Boosted trees for tables: features in the graph, the number of rounds by held-out rows, and the network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, softmax

from gristmill.domains.common.classification.scores import log_losses
from gristmill.domains.common.folds import Positions
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import (
    category_codes,
    fill_empty,
    joined,
    measures,
    only,
    predictor,
    present_words,
    raw_input,
)
from gristmill.domains.tabular.preprocess import measured
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.training.lookup_tables import frozen_table
from gristmill.training.saved_network import as_tensors, predict_once
from gristmill.training.trees.fit import fit_trees
from gristmill.training.trees.network import tree_network
from gristmill.training.trees.tree_data import Features, TreeFit, Trees, TreeSettings, average_trees

_OBJECTIVES: dict[str, Any] = {"huber": "huber", "mae": "l1", "mse": "l2"}
_MAX_ROUNDS, _PATIENCE = 2_000, 40
_MIN_ROWS_WITHOUT_FOLDS = 2_500  # with fewer, choices are made on five folds, and several sums of trees are averaged
_MAX_ROWS = 200_000  # larger tables are sampled
_SUMS_OF_SMALL_TABLE = 4
_SHARE_LEFT_OUT = 5  # one in five rows
_MAX_CLASSES = 10
_FREQUENT = 50  # rows for each name of a category
_SMOOTHING = 10.0  # rows with the overall mean that are added to those of each name


@dataclass(frozen=True)
class TreeOptions:
    """Settings of boosted trees; what is chosen on held-out rows may be None."""

    trees: TreeSettings
    loss: Literal["huber", "mae", "mse"]  # of numbers
    rounds: int | None  # number of trees in each ensemble; chosen if None, like the next two
    logarithm: bool | None  # learn the logarithm of a number
    out_of_fold: bool | None  # encode rare categories on other folds than the row's own
    sums: int | None  # ensembles with different seeds to average; None for a number that depends on the rows


@dataclass(frozen=True)
class _Goal:
    """Target that trees are fitted to: a value on a scale, or a class."""

    objective: Any
    scale: TargetScale | None = None  # of a number
    classes: int = 0

    def wanted(self, data: Prepared) -> npt.NDArray[Any]:
        """Return the target of each row that trees are fitted to, (rows,)."""
        return self.scale.scaled(data.truth) if self.scale else data.labels

    def errors(self, raw: npt.NDArray[Any], truth: Values) -> Values:
        """Return the absolute error or the log loss of each row, (rows,), by raw scores, (rows, outputs)."""
        scores = raw.astype(np.float64)
        if self.scale:
            return np.asarray(np.abs(self.scale.restored(scores[:, 0]) - truth))
        second = expit(scores[:, 0])
        probabilities = np.column_stack([1 - second, second]) if self.classes == 2 else softmax(scores, axis=1)
        return log_losses(truth.astype(np.int64), probabilities)


def _goals(data: Prepared, settings: TreeOptions) -> list[_Goal]:
    """Return the possible goals: for numbers, with and without logarithms if that is left open."""
    classes = len(data.layout.classes)
    if classes:
        return [_Goal("binary" if classes == 2 else "multiclass", classes=classes)]
    truth, logarithm = data.truth[data.at("train")], settings.logarithm
    scales = possible_scales(truth) if logarithm is None else [TargetScale.fit(truth, logarithm)]
    return [_Goal(_OBJECTIVES[settings.loss], scale) for scale in scales]


def choose(data: Prepared, settings: TreeOptions) -> dict[str, Any]:
    """Return `rounds`, `logarithm` and `out_of_fold` with the lowest error on training rows that were left out."""
    data = data.only(data.sample_training(_MAX_ROWS))
    rows = data.at("train")
    # 1. List the choices: each goal, with both encodings if rare names make a difference.
    encodings = [True, False] if _rare_categories(data, rows) else [True]
    if settings.out_of_fold is not None:
        encodings = [settings.out_of_fold]
    goals = _goals(data, settings)
    choices = [(goal, replace(settings, out_of_fold=out_of_fold)) for goal in goals for out_of_fold in encodings]
    best, rounds = 0, settings.rounds
    if rounds is None or len(choices) > 1:
        # 2. Fit each choice without one fold after another; of many rows, without the first fold alone.
        folds = [split.predict for split in data.learning_set.folds(_SHARE_LEFT_OUT)]
        folds = folds[: 1 if len(data.table) >= _MIN_ROWS_WITHOUT_FOLDS else None]
        inputs = []
        for left_out in folds:  # features of all rows, by the names and means of the training set without these
            parts = data.parts.copy()
            parts[left_out] = "test"
            inputs.append(predict_once(feature_network(replace(data, parts=parts)), as_tensors(data.inputs)))
        fits = [
            replace(
                _fit(data, np.setdiff1d(rows, left_out), features, goal, chosen, rounds or _MAX_ROUNDS),
                validation=(features[left_out], goal.wanted(data)[left_out]),
                validation_weights=data.weights_at(left_out),
            )
            for goal, chosen in choices
            for left_out, features in zip(folds, inputs, strict=True)
        ]
        fitted = fit_trees(fits)
        by_choice = [fitted[begin : begin + len(folds)] for begin in range(0, len(fitted), len(folds))]
        # 3. Compare the choices by the errors of the rows left out.
        if len(choices) > 1:
            pairs = zip(choices, by_choice, strict=True)
            best = int(np.argmin([_mean_error(data, goal, trees, folds, inputs) for (goal, _), trees in pairs]))
        rounds = rounds or max(1, round(float(np.mean([trees.rounds[0] for trees in by_choice[best]]))))
    goal, chosen = choices[best]
    logarithm = goal.scale.logarithm if goal.scale else False
    return {"rounds": rounds, "logarithm": logarithm, "out_of_fold": chosen.out_of_fold}


def _mean_error(
    data: Prepared, goal: _Goal, fitted: Sequence[Trees], folds: Sequence[Positions], inputs: Sequence[Features]
) -> float:
    """Return the mean error of the trees of each fold on the rows of it, with the weights of the rows."""
    errors = [
        goal.errors(trees.predict(features[rows]), data.truth[rows])
        for trees, rows, features in zip(fitted, folds, inputs, strict=True)
    ]
    return float(np.average(np.concatenate(errors), weights=data.weights_at(np.concatenate(folds))))


def boosted_trees(data: Prepared, settings: TreeOptions, rounds: int) -> keras.Model:
    """Return the network of trees fitted to the training rows."""
    data = data.only(data.sample_training(_MAX_ROWS))
    rows = data.at("train")
    goal = _goals(data, settings)[0]
    encoder = feature_network(data)
    features = predict_once(encoder, as_tensors(data.inputs))
    sums = settings.sums or (_SUMS_OF_SMALL_TABLE if len(rows) < _MIN_ROWS_WITHOUT_FOLDS else 1)
    first = _fit(data, rows, features, goal, settings, rounds)
    fits = [
        replace(first, settings=replace(first.settings, seed=first.settings.seed + number)) for number in range(sums)
    ]
    trees = average_trees(fit_trees(fits))
    return predictor(encoder, tree_network(encoder.output, trees), data.layout, goal.scale)


def feature_network(data: Prepared) -> keras.Model:
    """Return the network from raw inputs to features: numbers, parts of dates, means of names, words.

    A name becomes the mean target of its training rows, drawn towards the mean of all rows, which is the value of an
    unknown name. With more than two classes, a category has the frequency of each class, of many of the ten
    most frequent ones.
    Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD Explorations
    3(1), 2001.
    """
    layout, train = data.layout, data.at("train")
    inputs = raw_input(layout)
    features = []
    if layout.measures:
        # Trees learn where an empty cell belongs only from rows with empty cells; without any they would take it for 0.
        empty = measured(data.table.iloc[train], layout.numbers, layout.dates).isna().any()
        features = [fill_empty(measures(inputs, layout), layout, kept=empty.index[empty])]
    targets = _targets_of_names(data)
    if layout.categories:
        codes = category_codes(inputs["categories"], layout)
        starts = np.cumsum([0, *(len(names) + 1 for names in layout.categories.values())])[:-1]
        means = []
        for column, names in layout.categories.items():
            cells = data.table[column].to_numpy(object)[train]
            means.append(np.column_stack([name_means(cells, target[train], names) for target in targets]))
        looked_up = frozen_table(np.concatenate(means), "means")(codes + starts)  # (batch, columns, targets)
        features.append(keras.layers.Flatten(name="means_of_names")(looked_up))
    for at, words in enumerate(layout.texts.values()):
        features.append(present_words(inputs["texts"][:, at], words, f"words_{at}"))
    return keras.Model(only(inputs), joined(features), name="features")


def _targets_of_names(data: Prepared) -> list[Values]:
    """Return the targets whose means encode the names of a category, each (rows,)."""
    classes = len(data.layout.classes)
    if not classes:
        return [data.truth]
    counts = np.bincount(data.labels[data.at("train")], minlength=classes)
    most_frequent = np.argsort(-counts, kind="stable")[:_MAX_CLASSES]
    chosen = [1] if classes == 2 else sorted(most_frequent.tolist())
    return [(data.labels == label).astype(np.float64) for label in chosen]


def name_means(cells: npt.NDArray[np.object_], target: Values, names: list[str]) -> Values:
    """Return the mean target of rows with an unknown name, then of each name, drawn towards the mean of all rows."""
    codes = _codes_of(cells, names)
    counts = np.bincount(codes, minlength=len(names) + 1)
    sums = np.bincount(codes, weights=target - target.mean(), minlength=len(names) + 1)
    means: Values = sums / (counts + _SMOOTHING)
    means[0] = 0.0  # rare names say nothing about an unknown one
    return means


def _fit(
    data: Prepared, rows: Positions, features: Features, goal: _Goal, settings: TreeOptions, rounds: int
) -> TreeFit:
    """Return the fit of trees to some rows, with target-encoded categories as the settings say."""
    classes = goal.classes if goal.objective == "multiclass" else 1
    options = replace(settings.trees, objective=goal.objective, classes=classes, rounds=rounds, patience=_PATIENCE)
    inputs = _out_of_fold_features(data, rows, features) if settings.out_of_fold else features[rows]
    return TreeFit(inputs, goal.wanted(data)[rows], options, weights=data.weights_at(rows))


def _rare_categories(data: Prepared, rows: Positions) -> list[tuple[int, str]]:
    """Return place and column of the categories with few rows for each name."""
    named = enumerate(data.layout.categories.items())
    return [(at, column) for at, (column, names) in named if len(rows) < _FREQUENT * len(names)]


def _out_of_fold_features(data: Prepared, rows: Positions, features: Features) -> Features:
    """Return the features of rows to fit on, with rare names target-encoded on the other folds of these rows.

    Otherwise the encoding of a rare name would reveal a part of the row's own target. It also reveals the number of its
    rows, and is less noisy, so that either may be better: `choose` tries both. The means of frequent names stay as they
    are: differences between folds would be noise that trees fit.
    """
    encoded, layout, targets = features[rows], data.layout, _targets_of_names(data)
    folds = replace(data.only(rows).learning_set, ordered=False).folds(_SHARE_LEFT_OUT)
    for at, column in _rare_categories(data, rows):
        names, cells = layout.categories[column], data.table[column].to_numpy(object)[rows]
        codes = _codes_of(cells, names)
        for number, target in enumerate(targets):
            feature = len(layout.measures) + at * len(targets) + number
            for split in folds:
                means = name_means(cells[split.fit], target[rows][split.fit], names)
                encoded[split.predict, feature] = means[codes[split.predict]]
    return encoded


def _codes_of(cells: npt.NDArray[np.object_], names: list[str]) -> Positions:
    """Return the number of the name in each cell, (rows,): from 1 on, and 0 for an unknown name."""
    return np.asarray(pd.Index(names).get_indexer(pd.Index(cells)) + 1)

"""Main program of the process that fits trees by LightGBM: reads the folders of fits, writes tables of nodes."""

import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.training.trees.tree_data import (
    HIGHEST,
    NOT_LOADABLE,
    TREES_FILE,
    UNSUITABLE,
    Targets,
    TreeFit,
    Trees,
    TreeSettings,
    read_fit,
    write_trees,
)
from gristmill.util.processes import receive_requests

_MAX_NODES = 1 << 24  # float32, in which the network holds the numbers of nodes, is exact up to here
_MIN_VALUES_FOR_THREADS = 200_000  # fewer do not repay the threads; their number does not change the trees


def main() -> None:
    """Read lists of folders, one per line; write the trees into them, and print an empty line after each list."""
    requests, answers = receive_requests()
    try:
        from lightgbm.basic import LightGBMError
    except (ImportError, OSError) as error:  # OSError: a system library is missing
        print(error, file=sys.stderr)
        sys.exit(NOT_LOADABLE)
    while True:
        for folder in map(Path, requests.get()):
            rows = read_fit(folder)
            try:
                trees = fit(rows)
            except (LightGBMError, ValueError) as error:
                print(error, file=sys.stderr)
                sys.exit(1 if "bad_alloc" in str(error) else UNSUITABLE)
            write_trees(folder / TREES_FILE, trees)
        print(file=answers, flush=True)


def fit(rows: TreeFit) -> Trees:
    """Return the trees of one fit: a model for each output, or one for all classes."""
    models = _fit_models(rows)
    classes, features = max(rows.settings.classes, 1), rows.features.shape[1]
    nodes: list[tuple[int, float, int, float]] = []  # column, threshold, left child and value of each
    roots, outputs, max_depth = [], [], 0
    for output, model in enumerate(models):
        for number, tree in enumerate(model["tree_info"]):
            roots.append(len(nodes))
            outputs.append(output * classes + number % classes)
            max_depth = max(max_depth, _add_nodes(tree["tree_structure"], features, nodes))
    if len(nodes) > _MAX_NODES:
        raise ValueError(f"{len(nodes):,} nodes; at most {_MAX_NODES:,} can be exported. Fit fewer rounds.")
    columns, thresholds, lefts, values = zip(*nodes, strict=True)
    return Trees(
        columns=np.array(columns, np.int32),
        thresholds=np.array(thresholds, np.float32),
        lefts=np.array(lefts, np.int32),
        values=np.array(values, np.float32),
        roots=np.array(roots, np.int32),
        outputs=np.array(outputs, np.int32),
        rounds=np.array([len(model["tree_info"]) // classes for model in models], np.int32),
        size=classes * len(models),
        depth=max_depth,
    )


def _fit_models(rows: TreeFit) -> list[dict[str, Any]]:
    """Return the dumped model of each output."""
    import lightgbm

    settings, targets, validation = rows.settings, _by_output(rows.targets), None
    options = options_of(settings) | ({"num_threads": 1} if rows.features.size < _MIN_VALUES_FOR_THREADS else {})
    data = lightgbm.Dataset(rows.features, targets[:, 0], weight=rows.weights, params=options, free_raw_data=False)
    if rows.validation:
        truth = _by_output(rows.validation[1])
        validation = data.create_valid(rows.validation[0], truth[:, 0], rows.validation_weights)
    models = []
    for output in range(targets.shape[1]):
        callbacks: list[Any] = []
        data.set_label(targets[:, output])
        if validation:
            validation.set_label(truth[:, output])
            callbacks = [lightgbm.early_stopping(settings.patience, verbose=False)]
        rounds = settings.rounds if isinstance(settings.rounds, int) else settings.rounds[output]
        model = lightgbm.train(options, data, rounds, [validation] if validation else None, callbacks=callbacks)
        models.append(model.dump_model(model.best_iteration if validation else None))
    return models


def _by_output(targets: Targets) -> Targets:
    return targets.reshape(len(targets), -1)  # (rows, outputs)


def options_of(settings: TreeSettings) -> dict[str, Any]:
    """Return LightGBM's parameters."""
    return {
        "objective": settings.objective,
        "num_class": settings.classes,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "max_depth": settings.depth,
        "min_data_in_leaf": settings.min_rows,
        "bagging_fraction": settings.row_share,
        "bagging_freq": int(settings.row_share < 1),
        "feature_fraction": settings.column_share,
        "lambda_l2": settings.l2,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,  # otherwise a timing decides, and with it the order of sums
        "verbosity": -1,
    }


def _add_nodes(tree: dict[str, Any], features: int, nodes: list[tuple[int, float, int, float]]) -> int:
    """Add the nodes of a tree of `dump_model` to those of other trees, and return its depth."""
    waiting, max_depth = [(tree, len(nodes), 0)], 0
    nodes.append((0, 0.0, 0, 0.0))
    while waiting:
        node, at, depth = waiting.pop()
        max_depth = max(max_depth, depth)
        if "split_feature" not in node:
            nodes[at] = 2 * features, HIGHEST, at, node["leaf_value"]
            continue
        # LightGBM treats NaN as 0 if the training rows of the feature were complete.
        missing_goes_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        column = node["split_feature"] + (0 if missing_goes_left else features)
        left = len(nodes)
        nodes[at] = column, round_down(node["threshold"]), left, 0.0
        nodes += [(0, 0.0, 0, 0.0)] * 2  # the children, one after the other
        waiting += [(node["left_child"], left, depth + 1), (node["right_child"], left + 1, depth + 1)]
    return max_depth


def round_down(threshold: float) -> float:
    """Return the highest float32 number up to a threshold, below the number that stands for NaN."""
    rounded = np.float32(min(threshold, HIGHEST))
    below = float(np.nextafter(rounded, np.float32(-np.inf)))
    # NumPy would compare a float32 number with a Python number as float32 numbers.
    return below if float(rounded) > threshold or float(rounded) == HIGHEST else float(rounded)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    main()

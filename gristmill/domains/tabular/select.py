"""Select: choose the best candidate, or a weighted average of several, on rows that none was fitted on."""

from collections.abc import Iterable, Mapping
from functools import partial, reduce
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.ensemble_weights import Predictions
from gristmill.domains.common.folds import Positions
from gristmill.domains.common.selection import Call, choose
from gristmill.domains.tabular import dataset, held_out
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import predict_target
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.training.average_network import average_networks
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import write_trained


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the absolute error on rows for which all have held-out predictions.

    Writes the network of the weighted average with the files of train, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    predictions = {name: held_out.read(one.train) for name, one in succeeded(candidates).items()}
    rows = common_rows(predictions.values())
    truth = data.truth[rows]

    def loss(predicted: Predictions) -> Predictions:
        return np.asarray(np.abs(predicted - truth))

    honest: dict[str, Values] = {name: np.array(series[rows], np.float64) for name, series in predictions.items()}
    selection = choose(
        candidates,
        honest,
        loss,
        select,
        metric="mae",
        on="validation" if (data.parts[rows] == "validation").all() else "folds",
        predict_one=lambda name: _predict_one(candidates[name].train, data),
    )
    keras.backend.clear_session()  # names of layers must not depend on other work of this process
    members = [(saved_network.read(candidates[name].train), weight) for name, weight in selection.weights.items()]
    counts = write_trained(average_networks(members), TrainingHistory(), out)
    combined = sum(weight * honest[name] for name, weight in selection.weights.items())
    held_out.write(rows, np.asarray(combined), out)
    selection.write(candidates, out)
    return counts | {"candidates": len(candidates), "members": len(selection.weights)}


def common_rows(predictions: Iterable["pd.Series[float]"]) -> Positions:
    """Return the sorted positions of the rows that all candidates predicted."""
    indices = [series.index.to_numpy() for series in predictions]
    return reduce(np.intersect1d, indices) if indices else np.empty(0, np.int64)


def _predict_one(folder: Path, data: Prepared) -> Call:
    """Return a call that predicts one row with a candidate's network."""
    return partial(predict_target, saved_network.read(folder), data.inputs[:1])

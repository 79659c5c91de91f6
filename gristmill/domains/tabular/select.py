"""Select: choose the best candidate, or a weighted average of several, by held-out predictions."""

from collections.abc import Callable, Mapping
from functools import partial, reduce
from pathlib import Path

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification.selection import average_of_networks, select_classifiers, write_average
from gristmill.domains.common.ensemble_weights import Predictions, weighted_average
from gristmill.domains.common.selection import Call, Selection, choose
from gristmill.domains.tabular import dataset, held_out
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import RowModel
from gristmill.settings.selection import Select

Candidates = Mapping[str, CandidateArtifacts]


def select(*, select: Select, preprocess: Path, candidates: Candidates, out: Path) -> dict[str, int]:
    """Choose weights of candidates on rows for which all have held-out predictions: by absolute error, or log loss.

    Writes the network of the weighted average with the files of train, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)

    def predict_one(name: str) -> Call:
        return partial(RowModel.read(candidates[name].train).predict, data.inputs_at(np.arange(1)))

    temperatures = dict[str, float]()
    if data.layout.classes:
        chosen, temperatures = select_classifiers(data.labelled, candidates, select, out, predict_one)
    else:
        chosen = _select_regressors(data, candidates, select, out, predict_one)
    return write_average(RowModel, average_of_networks, chosen, temperatures, candidates, out)


def _select_regressors(
    data: Prepared, candidates: Candidates, settings: Select, out: Path, predict_one: Callable[[str], Call]
) -> Selection:
    """Return the selection by absolute error; write its files and the held-out predictions of the average."""
    predictions = {name: held_out.read(candidate.train) for name, candidate in succeeded(candidates).items()}
    indices = [series.index.to_numpy() for series in predictions.values()]
    rows = reduce(np.intersect1d, indices) if indices else np.empty(0, np.int64)  # which all candidates predicted
    truth = data.truth[rows]

    def loss(predicted: Predictions) -> Predictions:
        return np.asarray(np.abs(predicted - truth))

    by_candidate: dict[str, Values] = {name: np.array(series[rows], np.float64) for name, series in predictions.items()}
    on = "validation" if (data.parts[rows] == "validation").all() else "folds"
    chosen = choose(candidates, by_candidate, loss, settings, metric="mae", on=on, predict_one=predict_one)
    held_out.write(data, rows, weighted_average(by_candidate, chosen.weights), out)
    chosen.write(candidates, out)
    return chosen

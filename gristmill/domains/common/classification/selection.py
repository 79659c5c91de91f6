"""Selection among classifiers: by the log loss of held-out probabilities, each scaled by its own temperature."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification.held_out import FILE, read_held_out
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.temperature import fit_temperature, scale_probabilities
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.common.selection import Call, Selection, choose
from gristmill.errors import WorkError
from gristmill.settings.selection import Select
from gristmill.util.table_io import write_table

_MIN_PROBABILITY = 1e-7


def select_classifiers(
    data: LabelledDataset,
    candidates: Mapping[str, CandidateArtifacts],
    settings: Select,
    out: Path,
    predict_one: Callable[[str], Call] | None = None,
    *,
    geometric: bool = False,
) -> tuple[Selection, dict[str, float]]:
    """Choose among classifiers; return the selection and the temperature of each candidate.

    The average is the weighted mean of probabilities or, if `geometric`, of their logarithms, normalised, at a
    temperature of its own, which is part of those returned. Only examples that all candidates have predicted count.
    Writes the files of the selection, and the held-out predictions of the chosen average. For `predict_one` see
    `choose`.

    Raises:
        WorkError: every candidate failed, or there are no held-out predictions.
    """
    tables = {name: read_held_out(one.train).set_index("id") for name, one in succeeded(candidates).items()}
    shared = None
    for table in tables.values():
        shared = table.index if shared is None else shared.intersection(table.index, sort=False)
    if shared is not None and not len(shared):
        raise WorkError("no example was predicted by all candidates, so none can be chosen. Set preprocess.validation.")
    columns = [f"p_{name}" for name in data.classes]
    truth = np.zeros(0, np.int64)
    temperatures, scaled = dict[str, float](), dict[str, Probabilities]()
    for name, table in tables.items():
        rows = table.loc[shared]
        truth = rows["label"].map(data.classes.index).to_numpy(np.int64)
        temperatures[name] = fit_temperature(truth, rows[columns].to_numpy(np.float64))
        scaled[name] = scale_probabilities(rows[columns].to_numpy(np.float64), temperatures[name])
    averaged = (
        {name: np.log(np.maximum(one, _MIN_PROBABILITY)) for name, one in scaled.items()} if geometric else scaled
    )

    def loss(average: Probabilities) -> Probabilities:
        of_truth = (softmax(average, axis=1) if geometric else average)[np.arange(len(truth)), truth]
        return np.asarray(-np.log(np.maximum(of_truth, _MIN_PROBABILITY)))

    validation = data.rows("validation")["id"]
    on = "validation" if shared is None or shared.isin(validation).all() else "folds"
    chosen = choose(candidates, averaged, loss, settings, metric="log loss", on=on, predict_one=predict_one)
    chosen.write(candidates, out)
    average = weighted_average(averaged, chosen.weights)
    if geometric:  # the mean of logits of different classifiers is less certain than it could be
        temperature = fit_temperature(truth, softmax(average, axis=1))
        temperatures = {name: one * temperature for name, one in temperatures.items()}
        chosen = replace(chosen, loss=float(loss(average / temperature).mean()))
        average = softmax(average / temperature, axis=1)
    rows = tables[next(iter(chosen.weights))].loc[shared]
    write_table(out / FILE, rows.assign(**dict(zip(columns, average.T, strict=True))).reset_index())
    return chosen, temperatures

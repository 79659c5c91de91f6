"""Selection among classifiers: by the log loss of held-out probabilities, each scaled by its own temperature."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import keras
import numpy as np
from scipy.special import softmax

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification.held_out import FILE, read_held_out
from gristmill.domains.common.classification.labelled import LabelledDataset, balanced_weights
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.scores import log_losses
from gristmill.domains.common.classification.temperature import fit_temperature, scale_logarithms, scale_network
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.common.selection import Call, Selection, choose
from gristmill.domains.common.trained_model import M, NetworkModel
from gristmill.errors import WorkError
from gristmill.settings.selection import Select
from gristmill.training.average_network import average_networks
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import write_history
from gristmill.util.table_io import write_table

N = TypeVar("N", bound=NetworkModel)


def select_classifiers(
    data: LabelledDataset,
    candidates: Mapping[str, CandidateArtifacts],
    settings: Select,
    out: Path,
    predict_one: Callable[[str], Call],
    *,
    geometric: bool = False,
) -> tuple[Selection, dict[str, float]]:
    """Choose among classifiers; return the selection and the temperature of each candidate.

    The average is the weighted mean of probabilities or, if `geometric`, of their logarithms, normalised, at a
    temperature of its own, which is part of those returned. Only examples that all candidates have predicted count. If
    candidates were trained with class weights, their losses are weighted in the same way. Writes the files of the
    selection, and the held-out predictions of the chosen average. For `predict_one` see `choose`.

    Raises:
        WorkError: every candidate failed, or there are no held-out predictions.
    """
    # 1. Read the predictions of the examples that all candidates predicted, in one order.
    tables = {name: read_held_out(other.train).set_index("id") for name, other in succeeded(candidates).items()}
    truth = np.zeros(0, np.int64)
    if tables:
        indices = (table.index for table in tables.values())
        shared = reduce(lambda index, other: index.intersection(other, sort=False), indices)
        if shared.empty:
            raise WorkError(
                "no example was predicted by all candidates, so none can be chosen. Set preprocess.validation."
            )
        tables = {name: table.loc[shared] for name, table in tables.items()}
        truth = next(iter(tables.values()))["label"].map(data.classes.index).to_numpy(np.int64)
    balanced = any(candidates[name].document["settings"]["train"]["class_weights"] for name in tables)
    weights = balanced_weights(truth, len(data.classes))[truth] if balanced else np.ones(len(truth))

    # 2. Calibrate each candidate.
    columns = [f"p_{name}" for name in data.classes]
    temperatures, averaged = dict[str, float](), dict[str, Probabilities]()
    for name, table in tables.items():
        probabilities = table[columns].to_numpy(np.float64)
        temperatures[name] = fit_temperature(truth, probabilities, weights)
        scaled = scale_logarithms(probabilities, temperatures[name])
        averaged[name] = scaled if geometric else np.exp(scaled)

    # 3. Choose among them.
    def loss(average: Probabilities) -> Probabilities:
        return np.asarray(weights * log_losses(truth, softmax(average, axis=1) if geometric else average))

    metric = "balanced log loss" if balanced else "log loss"
    in_validation = [table.index.isin(data.rows("validation")["id"]).all() for table in tables.values()]
    on = "validation" if all(in_validation) else "folds"
    chosen = choose(candidates, averaged, loss, settings, metric=metric, on=on, predict_one=predict_one)

    # 4. Calibrate and write the average. The mean of logits of different classifiers is less certain than it could be.
    average = weighted_average(averaged, chosen.weights)
    if geometric:
        temperature = fit_temperature(truth, softmax(average, axis=1), weights)
        temperatures = {name: own * temperature for name, own in temperatures.items()}
        chosen = replace(chosen, loss=float(loss(average / temperature).mean()))
        average = softmax(average / temperature, axis=1)
    chosen.write(candidates, out)
    rows = tables[next(iter(chosen.weights))]
    write_table(out / FILE, rows.assign(**dict(zip(columns, average.T, strict=True))).reset_index())
    return chosen, temperatures


class WeightedModel(NamedTuple, Generic[M]):
    """Model with its weight in an average, and the temperature of its probabilities."""

    model: M
    weight: float
    temperature: float = 1.0


def average_of_networks(members: Sequence[WeightedModel[N]]) -> N:
    """Return the weighted mean of the predictions of networks as one network."""
    scaled = [(scale_network(member.model.network, member.temperature), member.weight) for member in members]
    return type(members[0].model)(average_networks(scaled))


def write_average(
    model: type[M],
    average_of: Callable[[Sequence[WeightedModel[M]]], M],
    chosen: Selection,
    temperatures: Mapping[str, float],
    candidates: Mapping[str, CandidateArtifacts],
    out: Path,
) -> dict[str, int]:
    """Write the average of the chosen models, each at its temperature if it has one, with the files of train.

    `average_of` returns the average of models of a type.
    """
    keras.backend.clear_session()  # names of layers must not depend on other work of this process
    members = [
        WeightedModel(model.read(candidates[name].train), weight, temperatures.get(name, 1.0))
        for name, weight in chosen.weights.items()
    ]
    average = average_of(members)
    average.write(out)
    write_history(TrainingHistory(), out)
    return {"parameters": average.parameters, "candidates": len(candidates), "members": len(members)}

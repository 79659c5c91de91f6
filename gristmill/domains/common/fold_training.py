"""Fit models, and predict the examples that were held out of their training (`folds.py`)."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import keras
import numpy as np

from gristmill.domains.common.folds import MIN_EXAMPLES_WITHOUT_FOLDS, LearningSet, Positions, Split
from gristmill.domains.common.trained_model import Predictions
from gristmill.errors import Unsuitable
from gristmill.training.average_network import equal_average
from gristmill.training.deadline import check_deadlines
from gristmill.training.fit import FitArguments
from gristmill.training.history import TrainingHistory

CLOSED_FORM_FOLDS, NETWORK_FOLDS = 5, 3

M = TypeVar("M")

Trained = tuple[keras.Model, TrainingHistory, Predictions]  # with predictions of the validation set
TrainNetwork = Callable[[Split | None, FitArguments], Trained]
"""Function that trains a network on a split of the examples, or on training and validation set as they are."""


class HeldOutPredictions(NamedTuple):
    """Held-out predictions, and the positions of their examples."""

    positions: Positions
    predictions: Predictions

    @classmethod
    def of(cls, splits: list[Split], predictions: list[Predictions]) -> "HeldOutPredictions":
        """Return the predictions of several splits together."""
        return cls(np.concatenate([split.predict for split in splits]), np.concatenate(predictions))


def fit_closed_form(
    examples: LearningSet,
    fit: Callable[[Positions], M],
    predict: Callable[[M, Positions], Predictions],
    refit: bool = True,
) -> tuple[M, HeldOutPredictions]:
    """Return the model fitted on training and validation set, and held-out predictions of models fitted on a part.

    If not `refit`, and the part is the whole training set, the model that was fitted on it is returned.
    """

    def fitted(positions: Positions) -> M:
        check_deadlines()
        keras.backend.clear_session()  # names of layers must not depend on other work of this process
        return fit(positions)

    whole = Split(examples.training, examples.validation)
    splits = examples.folds(CLOSED_FORM_FOLDS) if examples.in_folds else [whole]
    made = list[Predictions]()
    for split in splits:
        model = fitted(split.fit)
        made.append(predict(model, split.predict))
    if refit or examples.in_folds:
        model = fitted(examples.all)
    return model, HeldOutPredictions.of(splits, made)


def train_networks(
    examples: LearningSet, noun: str, few_examples: str, arguments: FitArguments, train: TrainNetwork
) -> tuple[keras.Model, TrainingHistory, HeldOutPredictions]:
    """Return the network trained on the training set, its history, and predictions of the validation set.

    With few examples or few groups of them, unless `few_examples` = "train", a network is trained for each fold of
    training and validation set, with the fold as its validation set. The result is their average, with the history of
    the first.

    Raises:
        Unsuitable: there are fewer than 1,000 examples or groups of them, and `few_examples` is "refuse".
    """
    count, independent = len(examples.all), examples.independent
    if independent < MIN_EXAMPLES_WITHOUT_FOLDS and few_examples == "refuse":
        groups = f" in {independent:,} groups, which count as one each" * (count >= MIN_EXAMPLES_WITHOUT_FOLDS)
        needed = f"needs at least {MIN_EXAMPLES_WITHOUT_FOLDS:,} training and validation {noun}"
        raise Unsuitable(f"{needed}; found {count:,}{groups}")
    if not examples.few or few_examples == "train":
        network, history, made = train(None, arguments)
        return network, history, HeldOutPredictions(examples.validation, made)
    splits = examples.folds(NETWORK_FOLDS)
    trained = [train(split, _of_fold(arguments, number)) for number, split in enumerate(splits)]
    networks, histories, predictions = (list(column) for column in zip(*trained, strict=True))
    return equal_average(networks), histories[0], HeldOutPredictions.of(splits, predictions)


def _of_fold(arguments: FitArguments, number: int) -> FitArguments:
    """Return the arguments of the training of one fold, with folders of its own."""
    scratch, logs = (folder / f"fold_{number}" for folder in (arguments["scratch"], arguments["logs"]))
    return {**arguments, "scratch": scratch, "logs": logs}

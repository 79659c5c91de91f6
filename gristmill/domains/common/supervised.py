"""The loop of text, vision and tables: fit a model, and predict what was held out of its training (`folds.py`).

A domain gives a learner, which knows how its examples are read, fitted and predicted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Generic, NamedTuple, Self, TypeVar

import keras
import numpy as np

from gristmill.domains.common.classification import held_out as files
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.folds import (
    HELD_OUT,
    MIN_EXAMPLES_WITHOUT_FOLDS,
    LearningSet,
    Positions,
    Split,
)
from gristmill.domains.common.trained_model import M, Predictions
from gristmill.errors import Unsuitable
from gristmill.training.average_network import equal_average
from gristmill.training.deadline import check_deadlines
from gristmill.training.fit import FitArguments
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import ClosedForm, Model, write_history

CLOSED_FORM_FOLDS, NETWORK_FOLDS = 5, 3

T = TypeVar("T")

ByPart = dict[str, Predictions]  # predictions of the examples of each part to score, and `HELD_OUT`
Trained = tuple[keras.Model, TrainingHistory, Predictions]  # with predictions of the validation set
"""Function that trains a network on a split of the examples, or on training and validation set as they are."""


class HeldOutPredictions(NamedTuple):
    """Held-out predictions, and the positions of their examples."""

    positions: Positions
    predictions: Predictions

    @classmethod
    def of(cls, splits: list[Split], predictions: list[Predictions]) -> "HeldOutPredictions":
        """Return the predictions of several splits together."""
        return cls(np.concatenate([split.predict for split in splits]), np.concatenate(predictions))


class Learner(ABC, Generic[M]):
    """The examples of a pipeline, and how models of the type `M` are fitted to them."""

    noun: str  # name of the examples, such as "texts"

    @property
    @abstractmethod
    def examples(self) -> LearningSet:
        """Positions of the examples to learn from."""

    @property
    def refits(self) -> bool:
        """Whether a model in closed form is fitted on the validation set too, after it has predicted it."""
        return True

    @abstractmethod
    def weighted(self, balanced: bool) -> Self:
        """Return the learner that weights examples so that all classes count equally, or none."""

    def tuned(self, model: ClosedForm) -> ClosedForm:
        """Return a model with the slow choices that are made once, and not in each fold."""
        return model

    @abstractmethod
    def fit(self, model: ClosedForm, positions: Positions) -> M:
        """Return a model that is fitted without epochs to the examples at some positions."""

    @abstractmethod
    def predict(self, fitted: M, positions: Positions) -> Predictions:
        """Return the predictions of the examples to learn from at some positions."""

    @abstractmethod
    def predict_scored(self, fitted: M) -> ByPart:
        """Return the predictions of the parts to score, except those of the validation set, which are held out."""

    @abstractmethod
    def microseconds(self, fitted: M) -> float:
        """Return the time that the prediction of one example takes."""

    @abstractmethod
    def of_network(self, network: keras.Model) -> M:
        """Return a trained network as a model."""

    @abstractmethod
    def read(self, folder: Path) -> M:
        """Return the model in the artifact of train or select."""

    @abstractmethod
    def read_held_out(self, folder: Path) -> ByPart:
        """Return the held-out predictions of the validation set, and all of them (`HELD_OUT`)."""

    @abstractmethod
    def write_held_out(self, held_out: HeldOutPredictions, out: Path) -> None:
        """Write held-out predictions."""


class ClassifierLearner(Learner[M]):
    """Examples of the training set, then those of the validation set; models predict a probability of each class."""

    def __init__(self, data: LabelledDataset, balanced: bool = False) -> None:
        self._labelled, self.is_balanced = data, balanced

    @cached_property
    def examples(self) -> LearningSet:
        return files.learning_set(self._labelled)

    @abstractmethod
    def predict_test(self, fitted: M) -> Probabilities:
        """Return the probabilities of the test set, (examples, classes)."""

    def predict_scored(self, fitted: M) -> ByPart:
        return {"test": self.predict_test(fitted)}

    def read_held_out(self, folder: Path) -> ByPart:
        validation = files.validation_probabilities(folder, self._labelled)
        return {"validation": validation, HELD_OUT: files.held_out_probabilities(folder, self._labelled)[1]}

    def write_held_out(self, held_out: HeldOutPredictions, out: Path) -> None:
        files.write_held_out(self._labelled, *held_out, out)


def train(
    learner: Learner[M],
    model: Model | ClosedForm,
    train_network: Callable[[Model, Split | None, FitArguments], Trained],
    few_examples: str,
    arguments: FitArguments,
    out: Path,
    *,
    balanced: bool,
) -> dict[str, int]:
    """Fit a model: a network on the training set, a model in closed form on training and validation set.

    `train_network` trains a network on a split of the examples, or on training and validation set as they are.

    Writes the model, its held-out predictions, `epochs.parquet` and `training.json`. Returns counts for the run record.
    """
    if isinstance(model, ClosedForm):
        fitted, held_out = fit_and_hold_out(learner, model)
        history = TrainingHistory()
    else:
        network, history, held_out = train_networks(
            learner.examples, learner.noun, few_examples, arguments, partial(train_network, model)
        )
        fitted = learner.of_network(network)
    learner.write_held_out(held_out, out)
    fitted.write(out)
    return {"parameters": fitted.parameters} | write_history(history, out, balanced=balanced)


def fit_and_hold_out(learner: Learner[M], model: ClosedForm) -> tuple[M, HeldOutPredictions]:
    """Return a model in closed form that is fitted on all examples to learn from, and its held-out predictions."""
    fit = partial(learner.fit, learner.tuned(model))
    return fit_closed_form(learner.examples, fit, learner.predict, learner.refits)


def fit_closed_form(
    examples: LearningSet,
    fit: Callable[[Positions], T],
    predict: Callable[[T, Positions], Predictions],
    refit: bool = True,
) -> tuple[T, HeldOutPredictions]:
    """Return the model fitted on training and validation set, and held-out predictions of models fitted on a part.

    If not `refit`, and the part is the whole training set, the model that was fitted on it is returned.
    """

    def fit_at(positions: Positions) -> T:
        check_deadlines()
        keras.backend.clear_session()  # names of layers must not depend on other work of this process
        return fit(positions)

    whole = Split(examples.training, examples.validation)
    splits = examples.folds(CLOSED_FORM_FOLDS) if examples.in_folds else [whole]
    predictions = list[Predictions]()
    for split in splits:
        model = fit_at(split.fit)
        predictions.append(predict(model, split.predict))
    if refit or examples.in_folds:
        model = fit_at(examples.all)
    return model, HeldOutPredictions.of(splits, predictions)


def train_networks(
    examples: LearningSet,
    noun: str,
    few_examples: str,
    arguments: FitArguments,
    train: Callable[[Split | None, FitArguments], Trained],
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
        network, history, predictions = train(None, arguments)
        return network, history, HeldOutPredictions(examples.validation, predictions)
    splits = examples.folds(NETWORK_FOLDS)
    trained = []
    for number, split in enumerate(splits):
        scratch, logs = (folder / f"fold_{number}" for folder in (arguments["scratch"], arguments["logs"]))
        trained.append(train(split, {**arguments, "scratch": scratch, "logs": logs}))
    networks, histories, held_out = (list(column) for column in zip(*trained, strict=True))
    return equal_average(networks), histories[0], HeldOutPredictions.of(splits, held_out)

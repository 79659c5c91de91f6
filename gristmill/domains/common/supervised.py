"""The loop of text, vision and tables: fit a model, and predict what was held out of its training.

A domain gives a learner, which knows how its examples are read, fitted and predicted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, Self

import keras

from gristmill.domains.common.fold_training import (
    HeldOutPredictions,
    Trained,
    fit_closed_form,
    train_networks,
)
from gristmill.domains.common.folds import LearningSet, Positions, Split
from gristmill.domains.common.trained_model import M, Predictions
from gristmill.training.fit import FitArguments
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import ClosedForm, Model, write_history

ByPart = dict[str, Predictions]  # predictions of the examples of each part to score, and `HELD_OUT`


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

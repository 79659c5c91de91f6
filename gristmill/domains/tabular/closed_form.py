"""Kinds that are fitted without gradient descent: fold by fold, and then on all rows to learn from."""

from typing import Any, Protocol, Self, runtime_checkable

import keras
import numpy as np

from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.held_out import Positions, fitted_on, folds, rows_to_learn_from

FOLDS = 5


@runtime_checkable
class ClosedForm(Protocol):
    """Settings of a kind that is fitted to the rows of the training set."""

    def fit(self, data: Prepared) -> keras.Model:
        """Return the network from raw inputs to predictions in the target's units, (batch, 1)."""
        ...


@runtime_checkable
class Tuned(Protocol):
    """Settings of a kind that makes slow choices once, and not in each fold."""

    def tuned(self, data: Prepared) -> Self:
        """Return the settings with the values chosen on the training set."""
        ...


def fit(model: ClosedForm, data: Prepared) -> tuple[keras.Model, Positions, Values]:
    """Return the network, fitted on training and validation set, and honest predictions of some rows.

    Raises:
        Unsuitable: the kind cannot be fitted to the data.
    """
    splits = list(folds(data, FOLDS))
    everything = fitted_on(data, rows_to_learn_from(data))
    settings: Any = model
    if isinstance(model, Tuned):
        settings = model.tuned(everything if len(splits) > 1 else fitted_on(data, splits[0][0]))
    predicted = [
        predict_target(settings.fit(fitted_on(data, fitted)), data.inputs[left_out]) for fitted, left_out in splits
    ]
    rows = np.concatenate([left_out for _, left_out in splits])
    keras.backend.clear_session()  # names of layers must not depend on the networks of the folds
    return settings.fit(everything), rows, np.concatenate(predicted)

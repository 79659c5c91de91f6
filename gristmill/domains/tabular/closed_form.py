"""Kinds that are fitted without epochs: on each fold, and then on the training and validation set."""

from typing import Protocol, Self, runtime_checkable

import keras

from gristmill.domains.common.fold_training import HeldOutPredictions, fit_closed_form
from gristmill.domains.common.folds import Positions, Split
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.held_out import learning_set
from gristmill.training.outputs import ClosedForm

_MIN_ROWS_WITHOUT_REFIT = 100_000


@runtime_checkable
class Tuned(Protocol):
    """Settings of a kind that makes slow choices once, and not in each fold."""

    def tuned(self, data: Prepared) -> Self:
        """Return the settings with the values chosen on the training set."""
        ...


def fit(model: ClosedForm, data: Prepared) -> tuple[keras.Model, HeldOutPredictions]:
    """Return the network of a kind that is fitted without epochs, and its held-out predictions.

    The network is fitted on the training and validation set. Of 100,000 training rows or more, unless later rows
    validate, it is the one that predicted the validation set: another fit would take as long and change little.

    Raises:
        Unsuitable: the kind cannot be fitted to the data.
    """
    rows, settings = learning_set(data), model

    def on(positions: Positions) -> Prepared:
        return data.with_split(Split(positions, positions[:0]))

    if isinstance(model, Tuned):
        settings = model.tuned(on(rows.all if rows.in_folds else rows.training))
    return fit_closed_form(
        rows,
        lambda positions: settings.fit(on(positions)),
        lambda network, positions: predict_target(network, data.inputs_at(positions), once=True),
        refit=data.layout.ordered or len(rows.training) < _MIN_ROWS_WITHOUT_REFIT,
    )

"""Learner of the rows of a table."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import keras
import numpy as np

from gristmill.domains.common.classification.held_out import held_out_probabilities, validation_probabilities
from gristmill.domains.common.folds import HELD_OUT, LearningSet, Positions, Split
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.common.supervised import ByPart, HeldOutPredictions, Learner
from gristmill.domains.common.trained_model import Predictions
from gristmill.domains.tabular import held_out as held_out_rows
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import RowModel, predict_target
from gristmill.training import saved_network
from gristmill.training.saved_network import as_tensors
from gristmill.training.train_steps import ClosedForm

_MIN_ROWS_WITHOUT_REFIT = 100_000
_MAX_TRAINING_ROWS = 10_000  # training rows that are scored
_ROWS_TIMED = 1_000


@runtime_checkable
class Tuned(Protocol):
    """Settings of a kind that makes slow choices once, and not in each fold."""

    def tuned(self, data: Prepared) -> Self:
        """Return the settings with the values chosen on the training set."""
        ...


class RowLearner(Learner[RowModel]):
    """Rows at positions of the table; models predict a number, or a probability of each class."""

    noun = "rows"

    def __init__(self, data: Prepared) -> None:
        self.data = data

    @cached_property
    def examples(self) -> LearningSet:
        return self.data.learning_set

    @property
    def refits(self) -> bool:
        """Whether the validation rows are fitted, too; of 100,000 training rows or more, this would change little."""
        return self.data.layout.ordered or len(self.examples.training) < _MIN_ROWS_WITHOUT_REFIT

    def weighted(self, balanced: bool) -> Self:
        return type(self)(replace(self.data, balanced=balanced))

    def tuned(self, model: ClosedForm) -> ClosedForm:
        if not isinstance(model, Tuned):
            return model
        return model.tuned(self._on(self.examples.all if self.examples.in_folds else self.examples.training))

    def fit(self, model: ClosedForm, positions: Positions) -> RowModel:
        return RowModel(model.fit(self._on(positions)))

    def predict(self, fitted: RowModel, positions: Positions) -> Predictions:
        return predict_target(fitted.network, self.data.inputs_at(positions), once=True)

    def predict_scored(self, fitted: RowModel) -> ByPart:
        rows = {part: at for part, at in self.scored_rows.items() if part != "validation"}
        return {part: fitted.predict(self.data.inputs_at(at)) for part, at in rows.items()}

    @cached_property
    def scored_rows(self) -> dict[str, Positions]:
        """Positions of the rows to score, by part: of many training rows a sample, of classes none."""
        train = self.data.at("train")[: 0 if self.data.layout.classes else None]
        sampled = train[sample_positions(len(train), _MAX_TRAINING_ROWS)]
        return {"train": sampled, "validation": self.data.at("validation"), "test": self.data.at("test")}

    def microseconds(self, fitted: RowModel) -> float:
        timed = as_tensors(self.data.layout.inputs(self.data.table[:_ROWS_TIMED]))
        return saved_network.microseconds_per_row(fitted.network, timed)

    def of_network(self, network: keras.Model) -> RowModel:
        return RowModel(network)

    def read(self, folder: Path) -> RowModel:
        return RowModel.read(folder)

    def read_held_out(self, folder: Path) -> ByPart:
        if not self.data.layout.classes:
            return {"validation": np.asarray(held_out_rows.read(folder)[self.data.at("validation")])}
        validation = validation_probabilities(folder, self.data.labelled)
        return {"validation": validation, HELD_OUT: held_out_probabilities(folder, self.data.labelled)[1]}

    def write_held_out(self, held_out: HeldOutPredictions, out: Path) -> None:
        held_out_rows.write(self.data, *held_out, out)

    def _on(self, positions: Positions) -> Prepared:
        """Return the data with the rows at some positions as the training set."""
        return self.data.with_split(Split(positions, positions[:0]))

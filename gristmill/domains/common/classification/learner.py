"""Learner of examples with a class each."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path

from gristmill.domains.common.classification.held_out import (
    held_out_probabilities,
    learning_set,
    validation_probabilities,
    write_held_out,
)
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.fold_training import HeldOutPredictions
from gristmill.domains.common.folds import HELD_OUT, LearningSet
from gristmill.domains.common.supervised import ByPart, Learner
from gristmill.domains.common.trained_model import M


class ClassifierLearner(Learner[M]):
    """Examples of the training set, then those of the validation set; models predict a probability of each class."""

    def __init__(self, data: LabelledDataset, balanced: bool = False) -> None:
        self._labelled, self.is_balanced = data, balanced

    @cached_property
    def examples(self) -> LearningSet:
        return learning_set(self._labelled)

    @abstractmethod
    def predict_test(self, fitted: M) -> Probabilities:
        """Return the probabilities of the test set, (examples, classes)."""

    def predict_scored(self, fitted: M) -> ByPart:
        return {"test": self.predict_test(fitted)}

    def read_held_out(self, folder: Path) -> ByPart:
        validation = validation_probabilities(folder, self._labelled)
        return {"validation": validation, HELD_OUT: held_out_probabilities(folder, self._labelled)[1]}

    def write_held_out(self, held_out: HeldOutPredictions, out: Path) -> None:
        write_held_out(self._labelled, *held_out, out)

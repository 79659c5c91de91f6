"""Examples to learn from, and how they are split so that a model predicts examples that it was not fitted on.

With enough examples, the validation set is predicted. With few, a validation set would decide little, so training and
validation set together are split into folds, and each fold is predicted by a model that was fitted on the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.labelled import Labels

FEW_EXAMPLES = 1000  # training and validation examples; with fewer, folds are used

Positions = npt.NDArray[np.int64]

_SEED = 0  # of the order in which examples are dealt to folds


@dataclass(frozen=True)
class Split:
    """Positions of the examples to fit on and of the examples to predict."""

    fit: Positions
    predict: Positions


@dataclass(frozen=True)
class LearningSet:
    """Positions of the training and the validation set; `labels` are the classes of both together, in order."""

    training: Positions
    validation: Positions
    labels: Labels | None = None

    @property
    def all(self) -> Positions:
        """Positions of both sets, ascending."""
        return np.sort(np.concatenate([self.training, self.validation]))

    @property
    def few(self) -> bool:
        """Whether there are too few examples for a validation set to be enough."""
        return len(self.all) < FEW_EXAMPLES

    def folds(self, count: int) -> list[Split]:
        """Return a split for each fold of both sets together; classes have about equal shares in all folds."""
        every = self.all
        owners = shuffled_folds(len(every), count) if self.labels is None else stratified_folds(self.labels, count)
        return [Split(every[owners != fold], every[owners == fold]) for fold in np.unique(owners)]

    @property
    def in_folds(self) -> bool:
        """Whether honest predictions are made fold by fold: with few examples, or without a validation set."""
        return self.few or not len(self.validation)


def stratified_folds(labels: Labels, folds: int) -> Labels:
    """Return the fold of each example, from 0: those of each class are dealt in turn, after they are shuffled."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    owners = np.empty(len(labels), np.int64)
    owners[order] = np.arange(len(labels)) % folds
    return owners


def shuffled_folds(examples: int, folds: int) -> Labels:
    """Return the fold of each example, from 0, in random order."""
    return np.random.default_rng(_SEED).permutation(np.arange(examples) % folds)

"""Training and validation examples, and their splits for held-out predictions.

Held-out predictions are of examples that do not train the model. But with `patience` these examples choose the epoch of
a network, and for tables the number of rounds of boosted trees; `docs/explanation/selection.md` has the consequences.

With enough examples, models predict the validation set. With few, the validation set is too small to compare models, so
training and validation set together are split into folds. A model fitted on the other folds predicts each fold.
Networks use folds only with `train.few_examples` = "average". The examples of a group, such as the frames of a film,
count as one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups, assign_groups, fill_empty_sets
from gristmill.domains.common.classification.labelled import Labels

MIN_EXAMPLES_WITHOUT_FOLDS = 1000  # training and validation examples, or groups of them; with fewer, folds are used

Positions = npt.NDArray[np.int64]

HELD_OUT = "held out"  # all held-out predictions of a model, next to those of each part

_FIT_ONLY = -1  # number of the fold of examples that are in none
_SEED = 0  # seed of the order in which examples are assigned to folds


@dataclass(frozen=True)
class Split:
    """Positions of the examples to fit on and of the examples to predict."""

    fit: Positions
    predict: Positions


@dataclass(frozen=True)
class LearningSet:
    """Positions of the training and the validation set.

    `labels` are the classes of both together, in order, and `groups` the examples that stay in one fold.
    """

    training: Positions
    validation: Positions
    labels: Labels | None = None
    groups: Groups | None = None
    ordered: bool = False  # whether examples are in the order of time, so that folds would look ahead

    @property
    def all(self) -> Positions:
        """Positions of both sets, ascending."""
        return np.sort(np.concatenate([self.training, self.validation]))

    @property
    def few(self) -> bool:
        """Whether the validation set alone is too small to compare models, so that folds are better."""
        return not self.ordered and self.independent < MIN_EXAMPLES_WITHOUT_FOLDS

    @property
    def independent(self) -> int:
        """Number of examples; those of a group count as one."""
        return len(self.all) if self.groups is None else len(np.unique(self.groups))

    def folds(self, count: int) -> list[Split]:
        """Return a split for each fold of both sets together; classes have about equal shares in all folds.

        In the order of time, the only fold is the last one. The only example of a class is in no fold: every model is
        fitted on it, because a model without it could not predict its class.
        """
        positions = self.all
        if self.ordered:
            owners = np.full(len(positions), _FIT_ONLY)
            owners[-max(1, len(positions) // count) :] = 0
        elif self.groups is not None:
            labels = np.zeros(len(positions), np.int64) if self.labels is None else self.labels
            # A group that is all of a class is divided, as no model could be fitted on that class otherwise.
            several = pd.Series(self.groups).groupby(labels).transform("nunique").to_numpy() > 1
            kept = np.where(several, self.groups, len(labels) + np.arange(len(labels)))
            wanted = np.tile(np.bincount(labels) / count, (count, 1))
            owners = fill_empty_sets(assign_groups(labels, kept, wanted, _SEED), labels, kept, wanted)
        elif self.labels is not None:
            owners = stratified_folds(self.labels, count)
        else:
            owners = np.random.default_rng(_SEED).permutation(np.arange(len(positions)) % count)
        if self.labels is not None and not (alone := np.bincount(self.labels)[self.labels] == 1).all():
            owners[alone] = _FIT_ONLY
        folds = np.unique(owners[owners != _FIT_ONLY])
        return [Split(positions[owners != fold], positions[owners == fold]) for fold in folds]

    @property
    def in_folds(self) -> bool:
        """Whether models in closed form predict fold by fold: with few examples, or without a validation set."""
        return self.few or not len(self.validation)


def stratified_folds(labels: Labels, folds: int) -> Labels:
    """Return the fold of each example, from 0, in random order; all folds have about equal shares of each class."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    owners = np.empty(len(labels), np.int64)
    owners[order] = np.arange(len(labels)) % folds
    return owners

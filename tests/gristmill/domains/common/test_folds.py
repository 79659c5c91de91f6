"""Folds predict each example once; with many examples, the validation set is predicted."""

import numpy as np
import pytest

from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.folds import LearningSet, stratified_folds


@pytest.mark.parametrize("labels", [None, np.arange(27) % 2])
def test_folds_predict_each_example_once_by_the_others(labels: Labels | None) -> None:
    made = LearningSet(np.arange(20), np.arange(20, 27), labels).folds(5)

    assert len(made) == 5
    assert sorted(np.concatenate([split.predict for split in made])) == list(range(27))
    for split in made:
        assert sorted(np.concatenate([split.fit, split.predict])) == list(range(27))
        assert len(split.predict) in (5, 6)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("groups", [None, np.arange(12) // 2])
def test_the_only_example_of_a_class_is_fitted_in_all_folds(groups: Labels | None, ordered: bool) -> None:
    labels = np.array([0, 1] * 5 + [0, 2])

    made = LearningSet(np.arange(9), np.arange(9, 12), labels, groups, ordered).folds(3)

    assert all(11 in split.fit and 11 not in split.predict and len(split.predict) for split in made)
    of_one_each = LearningSet(np.arange(2), np.arange(2, 3), np.arange(3)).folds(3)
    assert [split.predict.tolist() for split in of_one_each] == [[0], [1], [2]]


def test_folds_are_of_the_positions_of_the_data() -> None:
    training, validation = np.array([1, 4, 6, 9]), np.array([0, 8])

    made = LearningSet(training, validation).folds(3)

    assert sorted(np.concatenate([split.predict for split in made])) == [0, 1, 4, 6, 8, 9]


def test_there_are_at_most_as_many_folds_as_examples() -> None:
    assert len(LearningSet(np.arange(3), np.arange(0)).folds(5)) == 3


def test_folds_have_the_shares_of_the_classes_and_are_drawn() -> None:
    labels = np.repeat([0, 1], [40, 10])

    owners = stratified_folds(labels, 5)

    assert [np.bincount(labels[owners == fold]).tolist() for fold in range(5)] == [[8, 2]] * 5
    assert owners[:5].tolist() != [0, 1, 2, 3, 4]
    assert owners.tolist() == stratified_folds(labels, 5).tolist()


def test_groups_stay_in_one_fold_unless_a_class_has_no_other() -> None:
    labels = np.repeat([0, 1], [24, 6])
    groups = np.concatenate([np.arange(24) // 3, [99] * 6])

    made = LearningSet(np.arange(20), np.arange(20, 30), labels, groups).folds(4)

    owners = np.empty(30, int)
    for fold, split in enumerate(made):
        owners[split.predict] = fold
        assert set(labels[split.fit]) == {0, 1}
    assert [len(set(owners[groups == group])) for group in range(8)] == [1] * 8
    assert sorted(np.bincount(owners[labels == 0])) == [6, 6, 6, 6]


@pytest.mark.parametrize(
    ("training", "validation", "few", "in_folds"),
    [(899, 100, True, True), (900, 100, False, False), (1000, 0, False, True)],
)
def test_few_examples_and_those_without_a_validation_set_are_predicted_in_folds(
    training: int, validation: int, few: bool, in_folds: bool
) -> None:
    examples = LearningSet(np.arange(training), np.arange(training, training + validation))

    assert (examples.few, examples.in_folds) == (few, in_folds)


@pytest.mark.parametrize(("validation", "fitted"), [(0, 16), (6, 21)])
def test_of_examples_in_the_order_of_time_the_last_fifth_is_predicted(validation: int, fitted: int) -> None:
    examples = LearningSet(np.arange(20), np.arange(20, 20 + validation), ordered=True)
    (split,) = examples.folds(5)

    assert split.fit.tolist() == list(range(fitted))
    assert split.predict.tolist() == list(range(fitted, 20 + validation))
    assert (examples.few, examples.in_folds) == (False, not validation)


def test_examples_of_one_group_count_as_one() -> None:
    training, validation, labels = np.arange(1800), np.arange(1800, 2000), np.zeros(2000, np.int64)
    frames = [LearningSet(training, validation, labels, np.arange(2000) // size) for size in (2, 3)]

    assert [examples.few for examples in frames] == [False, True]

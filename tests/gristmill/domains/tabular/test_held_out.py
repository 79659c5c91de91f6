"""Every row to learn from is predicted by a fit without it, and predictions are kept in the order of the table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.common import folds
from gristmill.domains.common.classification.held_out import read_held_out
from gristmill.domains.common.supervised import fit_and_hold_out
from gristmill.domains.tabular import held_out, learner
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.learner import RowLearner
from gristmill.domains.tabular.models.kernel import Kernel
from gristmill.domains.tabular.models.mean import Mean
from helpers.small_tables import prepared


def test_predictions_are_kept_in_the_order_of_the_table(tmp_path: Path) -> None:
    held_out.write(prepared(), np.array([4, 1, 7]), np.array([0.4, 0.1, 0.7]), tmp_path)
    series = held_out.read(tmp_path)
    assert series.index.tolist() == [1, 4, 7]
    assert series.tolist() == [0.1, 0.4, 0.7]


def test_probabilities_are_kept_as_all_classifiers_keep_them(tmp_path: Path) -> None:
    data = replace(prepared(classes=2), names=np.array([f"row {at}" for at in range(90)], object))
    held_out.write(data, np.array([4, 1]), np.array([[0.4, 0.6], [0.9, 0.1]]), tmp_path)
    rows = read_held_out(tmp_path)
    assert rows["id"].tolist() == ["row 1", "row 4"]
    assert rows["label"].tolist() == data.table["price"].iloc[[1, 4]].tolist()
    assert rows[["p_0", "p_1"]].to_numpy().tolist() == [[0.9, 0.1], [0.4, 0.6]]


def test_groups_stay_in_one_fold() -> None:
    data = replace(prepared(), groups=np.arange(90) // 6)
    for split in data.learning_set.folds(5):
        assert not set(data.groups[split.fit]) & set(data.groups[split.predict])


def test_later_rows_are_predicted_by_earlier_ones() -> None:
    data = prepared()
    ordered = replace(data, layout=replace(data.layout, ordered=True))
    _, (rows, predicted) = fit_and_hold_out(RowLearner(ordered), Mean(kind="mean"))
    assert rows.tolist() == data.at("validation").tolist()
    assert predicted == pytest.approx(data.truth[data.at("train")].mean())


def test_a_kind_predicts_each_row_without_it_and_then_learns_from_all() -> None:
    data = prepared()
    model, (rows, predicted) = fit_and_hold_out(RowLearner(data), Mean(kind="mean"))
    assert sorted(rows) == list(range(75))
    for split in data.learning_set.folds(5):
        assert predicted[np.isin(rows, split.predict)] == pytest.approx(data.truth[split.fit].mean())
    assert model.predict(data.inputs) == pytest.approx(data.truth[:75].mean())


@pytest.mark.parametrize(("ordered", "learned"), [(False, "train"), (True, "train and validation")])
def test_with_many_rows_the_validation_set_is_only_learned_if_it_is_later(
    ordered: bool, learned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared()
    data = replace(data, layout=replace(data.layout, ordered=ordered))
    monkeypatch.setattr(folds, "MIN_EXAMPLES_WITHOUT_FOLDS", 75)
    monkeypatch.setattr(learner, "_MIN_ROWS_WITHOUT_REFIT", 60)

    model, (rows, _) = fit_and_hold_out(RowLearner(data), Mean(kind="mean"))

    assert rows.tolist() == data.at("validation").tolist()
    expected = data.truth[np.isin(data.parts, learned.split(" and "))].mean()
    assert model.predict(data.inputs) == pytest.approx(expected)


@pytest.mark.parametrize(("few", "fits", "rows_tuned_on"), [(1000, 6, 75), (75, 2, 60)])
def test_slow_choices_are_made_once(few: int, fits: int, rows_tuned_on: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the training set, if the validation set must be held out; else on all rows to learn from."""
    monkeypatch.setattr(folds, "MIN_EXAMPLES_WITHOUT_FOLDS", few)
    tuned: list[int] = []
    seen: list[int] = []

    class Counted(Mean):
        def tuned(self, data: Prepared) -> "Counted":
            tuned.append(int((data.parts == "train").sum()))
            return self

        def fit(self, data: Prepared) -> object:
            seen.append(int((data.parts == "train").sum()))
            return super().fit(data)

    fit_and_hold_out(RowLearner(prepared()), Counted(kind="mean"))

    assert tuned == [rows_tuned_on]
    assert len(seen) == fits
    assert seen[-1] == 75


@pytest.mark.slow
def test_a_choice_of_slow_settings_does_not_change_what_is_given() -> None:
    model = Kernel(kind="kernel")
    fit_and_hold_out(RowLearner(prepared(40, validation=5)), model)
    assert model.width is None


def test_many_training_rows_are_sampled_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    data = prepared()
    with caplog.at_level("INFO"):
        assert data.sample_training(60).tolist() == data.at("train").tolist()
        some = data.sample_training(20)
    assert len(set(some) & set(data.at("train"))) == 20
    assert caplog.messages == ["fitted on a sample of 20 of 60 rows"]

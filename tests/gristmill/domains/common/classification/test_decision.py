"""How probabilities become a class and a prediction set, and how the limits are chosen."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from gristmill.domains.common.classification import scores
from gristmill.domains.common.classification.choose_decision import best_threshold, choose_decisions, set_limits
from gristmill.domains.common.classification.decision import MOST_PROBABLE, Decision
from gristmill.domains.common.classification.evaluation import Presentation, check_evaluate, write_scores
from gristmill.domains.common.classification.export import answer_in_graph
from gristmill.domains.common.classification.held_out import write_held_out
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import predicted_classes, probability_of, read_predictions
from gristmill.domains.common.classification.report import (
    ClassificationScores,
    read_evaluation,
    scores_section,
    set_sections,
    threshold_sections,
)
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.folds import HELD_OUT
from gristmill.domains.common.monitoring import coverage_of_sets
from gristmill.domains.common.retraining import contest_of_classes
from gristmill.errors import RequestError
from gristmill.monitoring.prediction_columns import COVERED, LEVEL, RUN, TRUTH
from gristmill.reports.scores import comparison
from gristmill.runs.retraining_record import Champion
from gristmill.util.table_io import write_document

SECOND = np.array([0.1, 0.2, 0.3, 0.4, 0.45, 0.6, 0.35, 0.55])  # of the second class
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1])

ROWS = Presentation("rows", (), lambda shown: shown, "")


def pairs(second: Any) -> Any:
    return np.column_stack([1 - np.array(second), second])


def test_f1_takes_the_threshold_that_finds_both_and_balanced_accuracy_that_of_the_highest_recall() -> None:
    # above 0.5: one hit, one false alarm, F1 (10 / 12 + 2 / 4) / 2 = 0.667; above 0.325: two hits and three false
    # alarms, F1 (6 / 9 + 4 / 7) / 2 = 0.619 and mean recall (3 / 6 + 2 / 2) / 2 = 0.75, against (5 / 6 + 1 / 2) / 2
    assert best_threshold(LABELS, pairs(SECOND), "f1") == 0.5
    assert best_threshold(LABELS, pairs(SECOND), "balanced_accuracy") == pytest.approx(0.325)


@pytest.mark.parametrize(("metric", "score"), [("f1", scores.f1), ("balanced_accuracy", scores.recall)])
def test_no_other_threshold_is_better(metric: str, score: Any) -> None:
    random = np.random.default_rng(0)
    truth = (random.random(300) < 0.2).astype(np.int64)
    second = np.round(np.clip(0.3 * truth + random.normal(0.3, 0.2, 300), 0, 1), 2)  # with ties

    def value(threshold: float) -> float:
        labels = Decision(threshold).labels(pairs(second))
        return float(score(scores.confusion(truth, labels, 2)).mean())

    found = best_threshold(truth, pairs(second), metric)

    assert value(found) == max(map(value, np.arange(-0.005, 1, 0.01)))
    assert value(found) > value(0.5)


def test_a_threshold_is_compared_in_the_precision_of_the_graph() -> None:
    probabilities = pairs(np.float32([0.2, 0.21, 0.19]).astype(np.float64))

    assert Decision(0.2).labels(probabilities).tolist() == [0, 1, 0]
    assert MOST_PROBABLE.labels(np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])).tolist() == [1, 0]


def test_limits_leave_out_the_smallest_probabilities_of_each_class() -> None:
    # class 0 has 9 examples: of 10 with a new one, 10 % is one, so the limit is the smallest. Class 1 has too few: its
    # limit is that of all 13, of which 14 * 10 % is one too.
    own = [0.9, 0.8, 0.7, 0.95, 0.6, 0.85, 0.5, 0.99, 0.65]
    truth = np.array([0] * 9 + [1] * 4)
    probabilities = pairs([*(1 - np.array(own)), 0.3, 0.4, 0.9, 0.8])

    assert set_limits(truth, probabilities, 0.9) == pytest.approx((0.5, 0.3))
    assert set_limits(truth, probabilities, 0.8) == pytest.approx((0.6, 0.3))  # of five, 20 % is one
    assert set_limits(truth[:3], probabilities[:3], 0.9) == (0.0, 0.0)


def test_sets_cover_each_class() -> None:
    random = np.random.default_rng(1)
    shares, half = [0.7, 0.2, 0.1], 20_000
    truth = random.choice(3, 2 * half, p=shares)
    logits = np.eye(3)[truth] * [2.0, 1.5, 1.0] + random.normal(0, 1, (2 * half, 3)) + np.log(shares)
    made = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    limits = set_limits(truth[:half], made[:half], 0.9)

    sets = Decision(None, 0.9, limits).sets(made[half:])

    covered, limited = sets[np.arange(half), truth[half:]], (made[half:] >= limits)[np.arange(half), truth[half:]]
    for label in range(3):
        of_class = truth[half:] == label
        assert limited[of_class].mean() == pytest.approx(0.9, abs=0.02)
        assert covered[of_class].mean() >= limited[of_class].mean()


def test_a_set_has_the_predicted_class_even_below_its_limit() -> None:
    decision = Decision(0.3, 0.9, (0.9, 0.9))

    assert decision.set_names(pairs([0.5, 0.05, 0.95]), ["cat", "dog"]) == ["dog", "cat", "dog"]
    assert Decision(0.3, 0.9, (0.5, 0.1)).set_names(pairs([0.5, 0.2]), ["cat", "dog"]) == ["cat|dog", "cat|dog"]


def test_predictions_have_the_probability_of_the_predicted_class_and_its_set() -> None:
    made = pairs([0.4, 0.1, np.nan])

    rows = predicted_classes({"id": ["a", "b", "c"]}, made, ["cat", "dog"], Decision(0.3, 0.9, (0.7, 0.35)))

    assert list(rows) == ["id", "predicted", "probability", "set", "p_cat", "p_dog"]
    assert rows["predicted"].tolist()[:2] == ["dog", "cat"]
    assert rows["probability"].tolist()[:2] == [0.4, 0.9]
    assert rows["set"].tolist()[:2] == ["dog", "cat"]
    assert rows.loc[2, ["predicted", "set"]].isna().all()
    assert probability_of(rows.head(2), "predicted").tolist() == [0.4, 0.9]
    assert "set" not in predicted_classes({}, made, ["cat", "dog"])


def dataset(classes: list[str], validation: int = 8) -> LabelledDataset:
    parts = ["validation"] * validation + ["test"] * 8
    labels = np.tile(LABELS, 2)[-len(parts) :]
    return LabelledDataset(pd.DataFrame({"id": map(str, range(len(parts))), "label": labels, "part": parts}), classes)


def test_one_decision_is_in_predictions_scores_and_confusion(tmp_path: Path) -> None:
    data, made = dataset(["no", "yes"]), pairs(SECOND)
    write_held_out(data, np.arange(8), made, tmp_path)
    (tmp_path / "training.json").write_text("{}")
    baseline = pairs(SECOND / 10)
    by_model = {"model": {"validation": made, "test": made}, "linear": {"validation": baseline, "test": baseline}}

    settings = Evaluate(threshold="balanced_accuracy", coverage=0.7)
    counts = write_scores(data, by_model, settings, ROWS, train=tmp_path, candidates={}, out=tmp_path)

    found = ClassificationScores.read(tmp_path)
    assert found.decision == Decision.read(tmp_path)
    assert found.decision.threshold == pytest.approx(0.325)
    assert found.confusion == [[3, 3], [0, 2]]
    rows = read_predictions(tmp_path, "test")
    assert rows["predicted"].tolist() == np.where(SECOND > 0.325, "yes", "no").tolist()
    assert rows["predicted by linear"].tolist() == rows["predicted"].tolist()
    assert counts == {"validation_rows": 8, "test_rows": 8, "likely_wrong_labels": 0}
    assert (found.metric, found.headline.secondary_metric) == ("log_loss", "recall")
    assert (found.model["test"]["recall"], found.best["test"]["recall"]) == (0.75, 0.75)
    assert found.model["test"]["accuracy"] == 5 / 8
    # 70 %: of seven probabilities of "no" with a new one, two are left out, so that the limit is the second smallest,
    # 0.55; "yes" has too few, and of nine among all, two are left out: 0.4
    assert found.decision.set_limits == pytest.approx((0.55, 0.4))
    assert found.model["test"]["coverage"] == pytest.approx(7 / 8)
    evaluation = read_evaluation({"evaluate": tmp_path, "train": tmp_path})
    assert "'yes' is predicted if its probability is above 0.325." in scores_section(evaluation).note
    (curves,), (sets,) = threshold_sections(evaluation), set_sections(evaluation)
    assert "the model at the threshold 0.325, and the baseline linear" in curves.note
    assert "at least 70% of the examples of each class. On the test set, they contain that of 87.5%" in sets.note
    assert [row[:3] for row in sets.tables[0].rows] == [["no", "6", "83.3%"], ["yes", "2", "100.0%"]]


@pytest.mark.parametrize("balanced", [False, True])
def test_classifiers_are_judged_by_the_loss_that_they_were_selected_by(balanced: bool, tmp_path: Path) -> None:
    data = dataset(["no", "yes"])
    unsure = np.where(LABELS == 1, 0.55, 0.45)
    unsure[0] = 0.55  # the only error
    better = np.where(LABELS == 1, 0.9, 0.05)
    better[:2] = 0.55  # two errors, but a lower loss
    by_model = {
        name: dict.fromkeys(("validation", "test"), pairs(of)) for name, of in (("model", better), ("linear", unsure))
    }
    write_held_out(data, np.arange(8), pairs(better), tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"balanced": balanced}))

    write_scores(data, by_model, Evaluate(), ROWS, train=tmp_path, candidates={}, out=tmp_path)

    found = ClassificationScores.read(tmp_path)
    losses = scores.log_losses(LABELS, pairs(better))
    expected = np.mean([losses[label == LABELS].mean() for label in (0, 1)]) if balanced else losses.mean()
    assert found.metric == ("balanced_log_loss" if balanced else "log_loss")
    assert found.test == pytest.approx(expected)
    assert found.shown[:2] == [found.metric, "accuracy"]
    assert found.headline.beats_baseline
    line = comparison(found)
    assert line.startswith("beats the best baseline by ")
    assert line.endswith("(accuracy 0.750, 0.875)")


def test_sets_that_miss_the_true_class_too_often_are_a_warning(tmp_path: Path) -> None:
    data, held_out, tested = dataset(["no", "yes"]), pairs(SECOND), pairs(1 - SECOND)
    write_held_out(data, np.arange(8), held_out, tmp_path)
    (tmp_path / "training.json").write_text("{}")
    by_model = {name: {"validation": held_out, "test": tested} for name in ("model", "linear")}

    write_scores(data, by_model, Evaluate(coverage=0.7), ROWS, train=tmp_path, candidates={}, out=tmp_path)

    assert ClassificationScores.read(tmp_path).warnings == [
        "70% prediction sets contain the true class of only 37.5% of the 8 test examples; the sets are too small, so "
        "do not rely on them"
    ]


def test_equal_forecasters_have_equal_thresholds_whatever_else_was_held_out(tmp_path: Path) -> None:
    data, of_train = dataset(["no", "yes"]), [0.36] * 4  # rows of "no", which 0.325 would put in "yes"
    data.index.loc[8:11, "part"] = "train"
    every = pairs([*of_train, *SECOND])
    write_held_out(data, np.arange(12), every, tmp_path)
    settings, validation = Evaluate(threshold="balanced_accuracy"), {"validation": pairs(SECOND)}
    both = validation | {HELD_OUT: every}

    def thresholds(**by_model: Any) -> list[Any]:
        return [decision.threshold for decision in choose_decisions(settings, data, by_model, tmp_path).values()]

    assert thresholds(model=both, linear=validation) == pytest.approx([0.325, 0.325])
    assert thresholds(model=both, linear=both) == [0.5, 0.5]


def test_the_graph_decides_like_the_scores() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1], 50).astype(np.float32)
    names = np.array(["no", "yes"], object)

    for decision in (MOST_PROBABLE, Decision(0.3), Decision(float(probabilities[7, 1]))):
        answer = answer_in_graph({"predictions": tf.constant(probabilities)}, ["no", "yes"], decision)
        labels = [label.decode() for label in answer["label"].numpy()]
        assert labels == names[decision.labels(probabilities.astype(np.float64))].tolist()
        assert answer["classes"].shape == (50, 2)


def written(folder: Path, decision: Decision) -> Path:
    """Write the scores of a run of the classes `no` and `yes`."""
    folder.mkdir()
    write_document(folder / "scores.json", {"classes": ["no", "yes"], **decision.as_json()})
    return folder


@pytest.mark.parametrize(
    ("challenger", "champion", "rate"),
    [
        (None, 0.2, 2 / 3),  # a pipeline without a threshold
        (0.3, None, 1 / 1.7),  # no threshold when the champion was trained; (0.7 + 0.3) / (0.7 + 0.3 + 0.7)
        (0.3, 0.2, 1 / 1.8),
        (0.3, "none", 1 / 1.7),  # no champion
    ],
)
def test_a_contest_weights_errors_by_the_champions_threshold(
    tmp_path: Path, challenger: float | None, champion: Any, rate: float
) -> None:
    new = {"evaluate": written(tmp_path / "new", Decision(challenger))}
    old = None if champion == "none" else Champion({"export": written(tmp_path / "old", Decision(champion))}, {})

    found = contest_of_classes({"x": np.array([1.0, 1, 0])}, pd.Series(["yes", "no", "yes"]), new, old)

    assert found.score("x") == pytest.approx(rate)
    assert found.metric == ("weighted error rate" if challenger else "error rate")


def test_the_coverage_of_logged_sets_is_that_of_the_model_that_serves(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            RUN: ["a", "a", "a", "a", "b"],
            "set": ["no", "no|yes", None, "yes", "no"],
            TRUTH: ["yes", "yes", "no", None, "no"],
        }
    )
    served = Champion({"evaluate": written(tmp_path / "new", Decision(None, 0.9, (0.5, 0.5)))}, {})
    plain = Champion({"evaluate": written(tmp_path / "old", MOST_PROBABLE)}, {})

    found = coverage_of_sets(rows, served, "a")

    assert np.array_equal(found[COVERED], [0, 1, np.nan, np.nan, np.nan], equal_nan=True)
    assert found[LEVEL] == 0.9
    assert np.isnan(coverage_of_sets(rows, plain, "a")[COVERED]).all()


def test_a_number_needs_no_held_out_predictions(tmp_path: Path) -> None:
    data = dataset(["no", "yes"], validation=0)
    write_held_out(data, np.zeros(0, np.int64), np.zeros((0, 2)), tmp_path)

    decisions = choose_decisions(Evaluate(threshold=0.2), data, {"model": {}, "majority": {}}, tmp_path)

    assert decisions == {"model": Decision(0.2), "majority": Decision(0.2)}
    assert decisions["model"].error_costs(np.array([True, False])).tolist() == pytest.approx([0.8, 0.2])
    with pytest.raises(RequestError, match=r"there are none. Set preprocess.validation"):
        choose_decisions(Evaluate(coverage=0.9), data, {"model": {}}, tmp_path)


@pytest.mark.parametrize(
    ("classes", "settings", "message"),
    [
        (["a", "b", "c"], Evaluate(threshold="f1"), 'evaluate.threshold = "f1" needs two classes, but the data has 3.'),
        (["a", "b"], Evaluate(slices=("shop",)), "evaluate.slices: unknown column 'shop'"),
        (["a", "b"], Evaluate(slices=("part",)), "evaluate.slices: 'part' is a name that the scores use themselves."),
        (["a", "b|c"], Evaluate(coverage=0.9), "evaluate.coverage: the class 'b|c' contains '|', which separates"),
        (
            [],
            Evaluate(coverage=0.9),
            "evaluate.coverage = 0.9 is for classes, but the target is a number. Leave it out.",
        ),
    ],
)
def test_settings_must_fit_the_data(classes: list[str], settings: Evaluate, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}"):
        check_evaluate(settings, dataset(classes))

"""Measures of classifiers by hand-computed numbers and by loops."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gristmill.domains.common.classification import scores

TRUTH = np.array([0, 0, 1, 2])
MADE = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.4, 0.35, 0.25]])
PREDICTED = np.array([0, 1, 1, 0])
COUNTS = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0]])

Judged = tuple[np.ndarray, np.ndarray]


@st.composite
def judged(draw: st.DrawFn, least: int = 2, most: int = 5) -> Judged:
    """Return truth (images,) and probabilities (images, classes), with ties among them."""
    classes, images = draw(st.integers(least, most)), draw(st.integers(1, 30))
    truth = draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images))
    weights = draw(
        st.lists(st.lists(st.integers(1, 9), min_size=classes, max_size=classes), min_size=images, max_size=images)
    )
    made = np.array(weights, float)
    return np.array(truth), made / made.sum(axis=1, keepdims=True)


def test_measures_equal_hand_computed_numbers() -> None:
    assert scores.accuracy(TRUTH, PREDICTED) == 2 / 4
    assert scores.log_loss(TRUTH, MADE) == pytest.approx(-math.log(0.7 * 0.1 * 0.5 * 0.25) / 4)
    first, second = 0.3**2 + 0.2**2 + 0.1**2, 0.9**2 + 0.8**2 + 0.1**2
    third, fourth = 0.2**2 + 0.5**2 + 0.3**2, 0.4**2 + 0.35**2 + 0.75**2
    assert scores.brier(TRUTH, MADE) == pytest.approx((first + second + third + fourth) / 4)
    assert scores.confusion(TRUTH, PREDICTED, 3).tolist() == COUNTS.tolist()
    assert scores.precision(COUNTS).tolist() == [1 / 2, 1 / 2, 0]
    assert scores.recall(COUNTS).tolist() == [1 / 2, 1, 0]
    assert scores.f1(COUNTS) == pytest.approx([2 / 4, 2 / 3, 0])
    assert scores.ece(TRUTH, MADE) == pytest.approx((abs(1 - 0.7) + abs(0 - 0.8) + abs(1 - 0.5) + abs(0 - 0.4)) / 4)


def test_brier_of_two_classes_is_the_squared_error_of_the_second_one_as_in_scikit_learn() -> None:
    second = np.array([0.1, 0.9, 0.8, 0.3])  # the example of sklearn.metrics.brier_score_loss, 0.0375

    assert scores.brier(np.array([0, 1, 1, 0]), np.column_stack([1 - second, second])) == pytest.approx(0.0375)


def test_threshold_curves_equal_hand_computed_numbers() -> None:
    curves = scores.threshold_curves(np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8, 0.2]))

    assert curves.false_positives.tolist() == [0, 0, 1 / 2, 1 / 2, 1]  # thresholds 0.8, 0.4, 0.2, 0.1
    assert curves.recall == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert curves.precision == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    assert curves.average_precision == pytest.approx(1 / 3 * (1 + 2 / 3 + 3 / 4))


@given(pair=judged(most=2))
def test_the_area_under_the_roc_curve_is_that_of_ranks(pair: Judged) -> None:
    truth, made = pair
    assume(0 < truth.sum() < len(truth))

    curves = scores.threshold_curves(truth, made[:, 1])

    assert np.trapezoid(curves.recall, curves.false_positives) == pytest.approx(scores.roc_auc(truth, made))


@given(pair=judged())
def test_measures_equal_a_loop(pair: Judged) -> None:
    truth, made = pair
    classes, images = made.shape[1], len(truth)
    predicted = [max(range(classes), key=lambda at, row=row: row[at]) for row in made.tolist()]
    counts = [[0] * classes for _ in range(classes)]
    loss = square = 0.0
    for label, row, said in zip(truth.tolist(), made.tolist(), predicted, strict=True):
        counts[label][said] += 1
        loss -= math.log(row[label])
        square += sum((share - (at == label)) ** 2 for at, share in enumerate(row))

    assert scores.accuracy(truth, made.argmax(axis=1)) == pytest.approx(
        sum(counts[k][k] for k in range(classes)) / images
    )
    assert scores.log_loss(truth, made) == pytest.approx(loss / images)
    assert scores.brier(truth, made) == pytest.approx(square / images / (2 if classes == 2 else 1))
    found = scores.confusion(truth, made.argmax(axis=1), classes)
    assert found.tolist() == counts
    for at in range(classes):
        of_class, taken = sum(counts[at]), sum(row[at] for row in counts)
        values = [float(measure(found)[at]) for measure in (scores.precision, scores.recall, scores.f1)]
        if not of_class:
            assert all(map(math.isnan, values))
            continue
        precision, recall = counts[at][at] / taken if taken else 0.0, counts[at][at] / of_class
        harmonic = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        assert values == pytest.approx([precision, recall, harmonic])


@given(pair=judged())
def test_calibration_equals_a_loop_over_the_bins(pair: Judged) -> None:
    truth, made = pair
    sure = [(max(row), row.index(max(row)) == label) for label, row in zip(truth.tolist(), made.tolist(), strict=True)]
    expected, distance = [], 0.0
    for number in range(15):
        own = [(share, right) for share, right in sure if number / 15 < share <= (number + 1) / 15]
        if own:
            confidence, accuracy = (sum(column) / len(own) for column in zip(*own, strict=True))
            expected.append((number / 15, len(own), confidence, accuracy))
            distance += len(own) * abs(confidence - accuracy) / len(sure)

    found = scores.reliability(truth, made)

    assert sum(one["examples"] for one in found) == len(truth)
    assert [tuple(one.values()) for one in found] == [pytest.approx(one) for one in expected]
    assert scores.ece(truth, made) == pytest.approx(distance)


@given(pair=judged(most=2))
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(pair: Judged) -> None:
    truth, made = pair
    above, below = made[truth == 1, 1], made[truth == 0, 1]
    pairs = [1.0 if high > low else 0.5 if high == low else 0.0 for high in above for low in below]

    assert scores.roc_auc(truth, made) == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_a_certain_error_has_a_finite_loss() -> None:
    assert scores.log_loss(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])) == pytest.approx(-math.log(1e-7) / 2)


def test_a_perfect_classifier_has_no_loss() -> None:
    truth, made = np.array([0, 1, 2]), np.eye(3)

    assert [measure(truth, made) for measure in (scores.log_loss, scores.brier, scores.ece)] == [0, 0, 0]
    assert scores.brier(truth, np.roll(made, 1, axis=1)) == 2


def test_a_class_without_images_has_no_scores_even_if_something_was_taken_for_it() -> None:
    counts = np.array([[3, 1], [0, 0]])

    assert scores.precision(counts) == pytest.approx([1, np.nan], nan_ok=True)
    assert scores.recall(counts) == pytest.approx([0.75, np.nan], nan_ok=True)
    assert scores.f1(counts) == pytest.approx([6 / 7, np.nan], nan_ok=True)


def test_the_area_needs_images_of_both_classes() -> None:
    assert scores.roc_auc(np.array([1, 1]), np.array([[0.4, 0.6], [0.1, 0.9]])) is None


def test_a_bin_of_confidence_holds_its_upper_end() -> None:
    made = np.array([[1 / 15 * 9, 1 - 1 / 15 * 9], [1.0, 0.0]])

    assert [one["low"] for one in scores.reliability(np.array([0, 0]), made)] == [pytest.approx(8 / 15), 14 / 15]

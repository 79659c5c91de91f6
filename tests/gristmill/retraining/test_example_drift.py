"""Drift of examples: alarms come where there is drift, and seldom where there is none."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import (
    category_drift,
    chance_of_higher_mean,
    example_error_drift,
    number_drift,
    share_drift,
)
from gristmill.runs.retraining_record import Drift, InputDrift


def test_a_rare_name_among_many_columns_is_an_alarm() -> None:
    moved = category_drift("town", ["c"] * 9, ["a"] * 90 + ["b"] * 10)
    errors = example_error_drift(np.ones(20), np.repeat([0.0, 1], [76, 4]))
    calm = InputDrift(name="a", test="t", statistic=1.0, probability=0.5)
    found = combine_signs(errors, [moved, *[calm] * 49])
    assert found.errors is not None
    assert (found.errors.alarm, found.inputs[0].alarm) == (True, True)


def test_a_mean_error_above_that_of_the_test_part_is_an_alarm_and_one_below_is_none() -> None:
    random = np.random.default_rng(0)
    often, seldom = (random.random(200) < 0.4).astype(float), (random.random(100) < 0.1).astype(float)

    moved, better = example_error_drift(often, seldom), example_error_drift(seldom, often)

    assert moved is not None
    assert better is not None
    assert (moved.count, moved.mean, moved.mean_before) == (200, often.mean(), seldom.mean())
    assert (moved.alarm, better.alarm) == (True, False)
    assert 0 < moved.probability < 1 / 20_001  # rarer than draws can show
    assert example_error_drift(np.array([]), seldom) is None


def test_the_chance_of_a_higher_mean_is_that_of_all_deals() -> None:
    new, test = [3.0, 9, 4], [1.0, 5, 2, 2]
    deals = [sum(deal) for deal in itertools.combinations([*new, *test], 3)]

    assert chance_of_higher_mean(np.array(new), np.array(test)) == sum(deal >= sum(new) for deal in deals) / len(deals)
    assert chance_of_higher_mean(np.array([9.0]), np.zeros(500)) == 1.0


def test_of_draws_from_the_same_source_alarms_are_rare() -> None:
    random = np.random.default_rng(0)
    shares = [0.5, 0.3, 0.15, 0.04, 0.01]
    found = []
    for _ in range(30):
        wrong, before = ((random.random(count) < 0.2).astype(float) for count in (40, 100))
        names, trained = (random.choice(list("abcde"), count, p=shares) for count in (40, 300))
        error = example_error_drift(wrong, before)
        found += [error is not None and error.alarm, category_drift("kind", names, trained).alarm]
        found += [number_drift("size", random.normal(size=40), random.normal(size=300)).alarm]
    assert sum(found) <= 3  # of 90


def test_names_that_come_more_often_or_for_the_first_time_are_an_alarm() -> None:
    trained = ["a"] * 90 + ["b"] * 10

    often, first = category_drift("town", ["a"] * 5 + ["b"] * 15, trained), category_drift("town", ["c"] * 4, trained)

    assert (often.alarm, first.alarm) == (True, True)
    usual = chi2_contingency([[5, 15], [90, 10]], correction=False)
    assert often.statistic == pytest.approx(usual.statistic)
    same = category_drift("town", ["a"] * 9, ["a"] * 5)
    assert (same.statistic, same.probability, same.alarm) == (0.0, 1.0, False)


def test_numbers_that_have_moved_are_an_alarm() -> None:
    random = np.random.default_rng(0)
    new, trained = random.normal(1, 1, 40), random.normal(0, 1, 300)

    found = number_drift("area", new, trained)

    assert (found.alarm, found.statistic) == (True, pytest.approx(ks_2samp(new, trained).statistic))


def test_alarms_of_examples_are_told_in_words() -> None:
    errors = example_error_drift(np.ones(20), np.repeat([0.0, 1], [76, 4]))
    unknown = share_drift("unknown tokens", np.full(10, 0.5), np.full(90, 0.25))

    assert Drift(errors=errors, inputs=[unknown]).alarms == [
        "mean error 1 of 20 new examples, 0.05 in the test set, probability 0",
        "unknown tokens: share above that of the test set by 0.250, probability 0",
    ]
    kept = Drift(errors=errors, inputs=[])
    assert Drift.model_validate_json(kept.model_dump_json()) == kept

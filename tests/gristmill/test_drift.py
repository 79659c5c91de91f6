"""Signs of drift: they come where there is drift, and seldom where there is none."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from gristmill.drift import (
    chance_of_higher_mean,
    distance,
    look_at_draws,
    look_at_errors,
    look_at_mean_error,
    look_at_names,
    look_at_numbers,
    look_at_share,
)
from gristmill.retraining import Drift

BEFORE = np.tile([1.0] * 8 + [5.0, 9.0], 20)
BEFORE[[10, 30]], BEFORE[[19, 39]] = 9.0, 5.0  # twice two large errors follow each other


def test_a_run_of_large_errors_longer_than_is_to_be_expected_is_an_alarm() -> None:
    found = look_at_errors([np.array([1.0, *[20.0] * 4, 1.0])], [BEFORE])

    assert found is not None
    assert (found.count, found.run, found.run_before, found.alarm) == (6, 4, 2, True)
    assert 5.0 < found.large < 9.0
    assert found.mean == pytest.approx(82 / 6)


def test_how_long_runs_are_is_learnt_from_held_out_errors() -> None:
    random = np.random.default_rng(0)
    sticky = np.zeros(2_000)
    for at in range(1, 2_000):  # nine errors of ten are small; a large one is followed by one half of the time
        sticky[at] = random.random() < (0.5 if sticky[at - 1] else 0.055)
    before = sticky + random.random(2_000) * 0.1
    alarms = 0
    for trial in range(300):
        chooses = np.random.default_rng(trial + 1)
        marks = np.zeros(60)
        for at in range(1, 60):
            marks[at] = chooses.random() < (0.5 if marks[at - 1] else 0.055)
        found = look_at_errors([marks], [before])
        assert found is not None
        alarms += found.alarm
    assert alarms <= 6  # of 300, at one in a hundred
    shifted = look_at_errors([np.ones(12) * 2], [before])
    assert shifted is not None
    assert shifted.alarm


def test_two_large_errors_are_no_alarm_where_one_in_ten_is() -> None:
    before = np.arange(100.0) % 50
    found = look_at_errors([np.array([60.0, 60.0, 1.0, 60.0])], [before])
    assert found is not None
    assert (found.run, found.alarm) == (2, False)
    assert 0.01 < found.probability < 1


def test_runs_end_with_their_series() -> None:
    found = look_at_errors([np.array([0.0, 9, 9]), np.array([9.0, 9, 0])], [np.tile([0.0, 1], 50)])
    assert found is not None
    assert found.run == 2


def test_without_errors_there_is_nothing_to_say() -> None:
    assert look_at_errors([np.array([])], [np.ones(5)]) is None
    assert look_at_errors([], [np.ones(5)]) is None


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = random.integers(0, 9, 30).astype(float), random.normal(4, 2, 50)
        assert distance(one, other) == pytest.approx(ks_2samp(one, other).statistic)


def season(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 10 * np.sin(np.arange(count) * 2 * np.pi / 365) + random.normal(size=count)


def test_a_season_is_no_drift_and_a_shift_is() -> None:
    series = season(365 * 6, 0)
    trained, ahead = series[: 365 * 5], series[365 * 5 :]

    calm = [look_at_numbers("y", ahead[at : at + 30], trained).alarm for at in range(0, 330, 30)]
    moved = look_at_numbers("y", ahead[:30] + 25, trained)

    assert sum(calm) <= 1
    assert ks_2samp(ahead[60:90], trained).pvalue < 1e-6  # by the usual table each summer would be an alarm
    assert (moved.alarm, moved.statistic, moved.probability) == (True, pytest.approx(1.0, abs=0.05), 1 / 102)
    assert moved.test == "Kolmogorov-Smirnov of the last 18"


def test_where_little_was_trained_on_nothing_can_be_called_rare() -> None:
    found = look_at_numbers("y", np.full(20, 99.0), np.arange(30.0))
    assert (found.statistic, found.probability, found.alarm) == (
        1.0,
        3 / 31,
        False,
    )  # as far as the first and the last of them


def test_alarms_are_told_in_words() -> None:
    errors = look_at_errors([np.full(9, 9.0)], [np.tile([0.0, 1], 50)])
    moved = look_at_numbers("rain", np.full(30, 50.0), season(365 * 5, 1))

    assert Drift(errors=errors, inputs=[moved]).alarms == [
        "9 errors in a row above 1, probability 0",
        "rain: Kolmogorov-Smirnov of the last 18 1.000, probability 0.010",
    ]
    assert Drift(errors=None, inputs=[]).alarms == []


def test_a_mean_error_above_that_of_the_test_part_is_an_alarm_and_one_below_is_none() -> None:
    random = np.random.default_rng(0)
    often, seldom = (random.random(200) < 0.4).astype(float), (random.random(100) < 0.1).astype(float)

    moved, better = look_at_mean_error(often, seldom), look_at_mean_error(seldom, often)

    assert moved is not None
    assert better is not None
    assert (moved.count, moved.mean, moved.mean_before) == (200, often.mean(), seldom.mean())
    assert (moved.alarm, better.alarm) == (True, False)
    assert moved.probability == 1 / 2001
    assert look_at_mean_error(np.array([]), seldom) is None


def test_the_chance_of_a_higher_mean_is_that_of_all_deals() -> None:
    new, test = [3.0, 9, 4], [1.0, 5, 2, 2]
    deals = [sum(deal) for deal in itertools.combinations([*new, *test], 3)]

    assert chance_of_higher_mean(np.array(new), np.array(test)) == sum(deal >= sum(new) for deal in deals) / len(deals)
    assert chance_of_higher_mean(np.array([9.0]), np.zeros(500)) == 1.0


def test_of_draws_from_the_same_source_alarms_are_rare() -> None:
    random = np.random.default_rng(0)
    shares = [0.5, 0.3, 0.15, 0.04, 0.01]
    found = []
    for _ in range(60):
        wrong, before = ((random.random(count) < 0.2).astype(float) for count in (40, 100))
        names, trained = (random.choice(list("abcde"), count, p=shares) for count in (40, 300))
        error = look_at_mean_error(wrong, before)
        found += [error is not None and error.alarm, look_at_names("kind", names, trained).alarm]
        found += [look_at_draws("size", random.normal(size=40), random.normal(size=300)).alarm]
    assert sum(found) <= 6  # of 180


def test_names_that_come_more_often_or_for_the_first_time_are_an_alarm() -> None:
    trained = ["a"] * 90 + ["b"] * 10

    often, first = look_at_names("town", ["a"] * 5 + ["b"] * 15, trained), look_at_names("town", ["c"] * 4, trained)

    assert (often.alarm, first.alarm) == (True, True)
    usual = chi2_contingency([[5, 15], [90, 10]], correction=False)
    assert often.statistic == pytest.approx(usual.statistic)
    same = look_at_names("town", ["a"] * 9, ["a"] * 5)
    assert (same.statistic, same.probability, same.alarm) == (0.0, 1.0, False)


def test_numbers_that_have_moved_are_an_alarm() -> None:
    random = np.random.default_rng(0)
    new, trained = random.normal(1, 1, 40), random.normal(0, 1, 300)

    found = look_at_draws("area", new, trained)

    assert (found.alarm, found.statistic) == (True, pytest.approx(distance(new, trained)))


def test_alarms_of_examples_are_told_in_words() -> None:
    errors = look_at_mean_error(np.ones(20), np.repeat([0.0, 1], [76, 4]))
    unknown = look_at_share("unknown tokens", np.full(10, 0.5), np.full(90, 0.25))

    assert Drift(errors=errors, inputs=[unknown]).alarms == [
        "mean error 1 of 20 new examples, 0.05 in the test part, probability 0.000",
        "unknown tokens: share above that of the test part by 0.250, probability 0.000",
    ]
    kept = Drift(errors=errors, inputs=[])
    assert Drift.model_validate_json(kept.model_dump_json()) == kept

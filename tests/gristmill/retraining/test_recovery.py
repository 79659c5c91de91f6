import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gristmill.retraining.gate import Contest
from gristmill.retraining.recovery import better_than_challenger, clearly_better, e_value, rows_to_compare
from gristmill.runs.retraining_record import (
    CHALLENGER,
    CHAMPION,
    BaselineDrift,
    DataChanges,
    Drift,
    InputDrift,
    MeanDrift,
    Retraining,
)
from gristmill.settings.schedule import Gate

GATE = Gate(window=30, margin=0.01)


def retraining(
    later: int, *, errors: bool = False, baseline: bool = False, inputs: bool = False, champion: int = 1
) -> Retraining:
    """Return a retraining with so many new rows and alarms."""
    drift = Drift(
        errors=MeanDrift(probability=0.001 if errors else 0.5, count=1, mean=1.0, mean_before=1.0),
        inputs=[InputDrift(name="y", test="level", statistic=9.0, probability=0.001 if inputs else 0.5)],
        baseline=BaselineDrift(
            name="naive", metric="mae", champion=2.0, baseline=1.0, probability=0.001 if baseline else 0.5
        ),
    )
    return Retraining(champion=champion, news=DataChanges(later=later), unjudged=later, drift=drift)


def test_rows_count_from_the_first_of_the_latest_alarms() -> None:
    quiet, first, second = retraining(12), retraining(24, errors=True), retraining(36, errors=True)

    assert rows_to_compare(quiet, [], GATE) == 0
    assert rows_to_compare(first, [], GATE) == 24  # all that is new to the champion
    assert rows_to_compare(first, [quiet], GATE) == 12
    assert rows_to_compare(second, [first, quiet], GATE) == 24
    assert rows_to_compare(retraining(36, baseline=True), [quiet], GATE) == 24
    assert rows_to_compare(retraining(48), [second, first, quiet], GATE) == 0  # it is over
    assert rows_to_compare(retraining(60, errors=True), [retraining(48), second, first], GATE) == 12


def test_retrainings_without_news_do_not_interrupt_alarms() -> None:
    nothing = Retraining(champion=1, news=DataChanges(later=24), unjudged=0)

    assert rows_to_compare(retraining(36, errors=True), [nothing, retraining(24, errors=True)], GATE) == 36


def test_an_alarm_about_inputs_alone_asks_for_no_recovery_but_its_rows_count_later() -> None:
    of_inputs = retraining(12, inputs=True)

    assert rows_to_compare(of_inputs, [], GATE) == 0
    assert rows_to_compare(retraining(24, errors=True), [of_inputs], GATE) == 24


def test_alarms_about_an_earlier_champion_do_not_count() -> None:
    later = [retraining(90, errors=True, champion=1)]

    assert rows_to_compare(retraining(24, champion=2), later, GATE) == 0
    assert rows_to_compare(retraining(24, champion=2, errors=True), later, GATE) == 24


def test_a_long_time_after_the_alarm_no_recovery_is_tried() -> None:
    assert rows_to_compare(retraining(120, errors=True), [], GATE) == 120
    assert rows_to_compare(retraining(121, errors=True), [], GATE) == 0


def test_an_e_value_grows_with_evidence_and_is_one_without() -> None:
    champion = np.full(12, 10.0)

    assert e_value(champion, champion) == 1
    assert e_value(np.zeros(0), np.zeros(0)) == e_value(np.ones(1), np.zeros(1)) == 1
    assert e_value(champion, np.full(12, 1.0)) > e_value(champion[:6], np.full(6, 1.0)) > 10
    assert e_value(champion, np.full(12, 30.0)) < 1
    assert_allclose(e_value(champion, np.full(12, 1.0)), e_value(champion * 1000, np.full(12, 1000.0)))  # any unit


def test_errors_that_are_not_finite_are_the_worst() -> None:
    good, broken = np.ones(12), np.full(12, math.inf)

    assert e_value(broken, good) > 140
    assert e_value(broken, broken) == 1
    assert e_value(good, np.array([1.0, 1.0, math.inf, *np.ones(9)])) < 0.8


def test_a_candidate_that_needs_a_season_to_follow_wins_soon_after_it() -> None:
    champion, candidate = np.full(32, 4.0), np.array([*np.full(12, 6.0), *np.ones(20)])

    assert e_value(champion[:12], candidate[:12]) < 1
    assert e_value(champion, candidate) > 140


def test_one_huge_error_of_the_champion_is_no_evidence() -> None:
    assert e_value(np.array([1, 1, 1, 1e9, *np.ones(20)]), np.full(24, 1.0)) < 20


def equal_errors(random: np.random.Generator) -> np.ndarray:
    return random.exponential(size=(2, 60))


def skewed_errors(random: np.random.Generator) -> np.ndarray:
    """Return squared errors of 0.56, the mean of demand with many zeros, and of 0.33, which is worse in the mean."""
    demand = np.where(random.random(60) < 0.75, 0, random.gamma(1.5, 1.5, 60))
    return np.square(demand - np.array([[0.5625], [0.33]]))


@pytest.mark.slow
@pytest.mark.parametrize(("errors", "most"), [(equal_errors, 20), (skewed_errors, 40)])
def test_a_candidate_that_is_no_better_rarely_wins_however_often_one_looks(
    errors: Callable[[np.random.Generator], np.ndarray], most: int
) -> None:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        champion, candidate = errors(random)
        found += any(e_value(champion[:end], candidate[:end]) >= 20 for end in range(6, 61, 6))

    assert found <= most  # 1 in 20; 1 in 10 where errors are often far larger than all before


def contest(**errors: float) -> Contest:
    return Contest("mae", {name: np.full(24, error) for name, error in ({CHALLENGER: 9.0} | errors).items()})


@pytest.mark.parametrize(
    ("errors", "winner"),
    [
        ({"naive": 9.9, "ets": 9.8}, None),  # not clearly
        ({"naive": 9.0, "ets": 1.0}, "ets"),
        ({"naive": 1.01, "ets": 1.0}, "naive"),  # about as good, and cheaper
        ({"naive": 1.1, "ets": 1.0}, "ets"),
        ({"ets": 1.0}, "ets"),  # naive failed
    ],
)
def test_the_cheapest_of_the_clearly_better_candidates_wins(errors: dict[str, float], winner: str | None) -> None:
    found = contest(**{CHAMPION: 10.0}, **errors)

    assert clearly_better(found, found, ["naive", "ets"], GATE) == winner


def test_a_candidate_must_also_be_better_over_all_steps_by_the_margin() -> None:
    first_step, whole = contest(**{CHAMPION: 10.0}, ets=1.0), contest(**{CHAMPION: 10.0}, ets=9.95)

    assert clearly_better(first_step, whole, ["ets"], GATE) is None


@pytest.mark.parametrize(
    ("noise", "naive", "winner"),
    [
        (0.1, 3.0, None),
        (0.1, 1.0, "naive"),
        (0.1, 1.995, None),  # not by the margin
        (9.0, 1.0, None),  # within one standard error
    ],
)
def test_a_candidate_replaces_a_challenger_that_is_worse_by_more_than_one_standard_error(
    noise: float, naive: float, winner: str | None
) -> None:
    errors = 2.0 + noise * np.tile([1.0, 1.0, -1.0, -1.0], 6)
    challenger = Contest("mae", {CHALLENGER: errors}, block=1)
    simple = contest(**{CHAMPION: 10.0}, naive=naive, ets=5.0, drift=math.nan)

    assert better_than_challenger(simple, challenger, ["drift", "naive", "ets", "theta"], GATE) == winner
    assert better_than_challenger(simple, challenger, ["drift"], GATE) is None
    assert better_than_challenger(simple, Contest("mae", {CHALLENGER: errors[:9]}), ["naive"], GATE) is None

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gristmill.retraining.gate import Contest
from gristmill.retraining.recovery import clearly_better, e_value, rows_since_alarm
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


def retraining(
    later: int, *, errors: bool = False, baseline: bool = False, inputs: bool = False, champion: int = 1
) -> Retraining:
    """Return a retraining with so many new rows and alarms."""
    drift = Drift(
        errors=MeanDrift(probability=0.0, alarm=errors, count=1, mean=1.0, mean_before=1.0),
        inputs=[InputDrift(name="y", test="level", statistic=9.0, probability=0.0, alarm=inputs)],
        baseline=BaselineDrift(name="naive", metric="mae", champion=2.0, baseline=1.0, probability=0.0, alarm=baseline),
    )
    return Retraining(champion=champion, news=DataChanges(later=later), unjudged=later, drift=drift)


def test_rows_count_from_the_retraining_that_raised_the_first_alarm() -> None:
    quiet, first, second = retraining(12), retraining(24, errors=True), retraining(36)

    assert rows_since_alarm(quiet, []) == 0
    assert rows_since_alarm(first, []) == 24  # all that is new to the champion
    assert rows_since_alarm(first, [quiet]) == 12
    assert rows_since_alarm(second, [first, quiet]) == 24
    assert rows_since_alarm(retraining(36, baseline=True), [quiet]) == 24


def test_an_alarm_about_inputs_alone_asks_for_no_recovery_but_its_rows_count_later() -> None:
    of_inputs = retraining(12, inputs=True)

    assert rows_since_alarm(of_inputs, []) == 0
    assert rows_since_alarm(retraining(24, errors=True), [of_inputs]) == 24


def test_alarms_about_an_earlier_champion_do_not_count() -> None:
    assert rows_since_alarm(retraining(24, champion=2), [retraining(90, errors=True, champion=1)]) == 0


def test_an_e_value_grows_with_evidence_and_is_one_without() -> None:
    champion = np.full(12, 10.0)

    assert e_value(champion, champion) == 1
    assert e_value(np.zeros(0), np.zeros(0)) == 1
    assert e_value(champion, np.full(12, 1.0)) > e_value(champion[:6], np.full(6, 1.0)) > 10
    assert e_value(champion, np.full(12, 30.0)) < 1
    assert_allclose(e_value(champion, np.full(12, 1.0)), e_value(champion * 1000, np.full(12, 1000.0)))  # any unit


def test_errors_that_are_not_finite_are_the_worst() -> None:
    good, broken = np.ones(12), np.full(12, math.inf)

    assert e_value(broken, good) > 140
    assert e_value(good, broken) < 0.5
    assert e_value(broken, broken) == 1


def test_equal_forecasters_are_rarely_replaced_however_often_one_looks() -> None:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(1000):
        champion, candidate = random.exponential(size=(2, 60))
        found += any(e_value(champion[:end], candidate[:end]) >= 20 for end in range(6, 61, 6))

    assert 0 < found <= 50  # at most 1 in 20


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

    assert clearly_better(found, found, ["naive", "ets"]) == winner


def test_a_candidate_must_also_be_better_over_all_steps() -> None:
    first_step, whole = contest(**{CHAMPION: 10.0}, ets=1.0), contest(**{CHAMPION: 10.0}, ets=11.0)

    assert clearly_better(first_step, whole, ["ets"]) is None

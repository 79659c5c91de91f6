"""Who is promoted, and how sure that is."""

import numpy as np
import pytest

from gristmill.freshness import Gate
from gristmill.judgement import Contest, best_baseline, bootstrap, judge
from gristmill.retraining import CHALLENGER, CHAMPION

FINITE = "that it gives are finite numbers"


def contest(challenger: float, champion: float | None = None, **baselines: float) -> Contest:
    """Return a contest of constant errors."""
    made = {CHALLENGER: challenger, **({} if champion is None else {CHAMPION: champion}), **baselines}
    return Contest("mae", {name: np.full(10, error) for name, error in made.items()})


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("errors", "gate", "promoted", "why"),
    [
        (contest(1.0, 2.0, naive=3.0), {}, True, "mae 1 against the champion's 2"),
        (contest(2.0, 2.0, naive=3.0), {}, False, "mae 2 against the champion's 2"),
        (contest(1.95, 2.0, naive=3.0), {"margin": 0.05}, False, "mae 1.95 against the champion's 2 less 5%"),
        (contest(1.85, 2.0, naive=3.0), {"margin": 0.05}, True, "mae 1.85 against the champion's 2 less 5%"),
        (contest(1.0, 2.0, naive=0.5), {"baseline": "require"}, False, "mae 1, worse than naive with 0.5"),
        (contest(1.0, 2.0, naive=0.5), {"baseline": "report"}, True, "mae 1 against the champion's 2"),
        (contest(1.0, naive=1.5, drift=1.2), {}, True, "mae 1, beside 1.2 of drift; there was no champion"),
        (contest(1.5, naive=1.2), {"baseline": "require"}, False, "mae 1.5, worse than naive with 1.2"),
        (contest(1.2, naive=1.2), {"baseline": "require"}, True, "mae 1.2, beside 1.2 of naive; there was no champion"),
        (contest(1.5, naive=1.2), {"baseline": "report"}, True, "mae 1.5, beside 1.2 of naive; there was no champion"),
        (
            contest(float("nan"), 2.0, naive=3.0),
            {"baseline": "require"},
            False,
            "mae nan: not all " + FINITE,
        ),
        (contest(float("nan"), 2.0), {}, False, "mae nan: not all " + FINITE),
        (contest(float("inf")), {}, False, "mae inf: not all " + FINITE),
    ],
)
def test_a_challenger_is_promoted_where_it_shows_what_the_gate_asks(
    errors: Contest, gate: dict[str, object], promoted: bool, why: str
) -> None:
    found = judge(
        errors, Gate(**gate), "drift" if "drift" in errors.errors else "naive" if "naive" in errors.errors else None
    )
    assert (found.promoted, found.why) == (promoted, why)


@pytest.mark.parametrize(
    ("baselines", "higher", "best"),
    [
        (
            {"naive": {"validation": {"mae": 2}, "test": {"mae": 1}}, "drift": {"validation": {"mae": 1}}},
            False,
            "drift",
        ),
        ({"naive": {"validation": {"mae": 2}}, "drift": {"validation": {"mae": 1}}}, True, "naive"),
        ({"naive": {"test": {"mae": 2}}, "drift": {"test": {"mae": 1}}}, False, "drift"),
        ({"naive": {"validation": {"mae": None}, "test": {"mae": 2}}}, False, "naive"),
        ({}, False, None),
    ],
)
def test_the_best_baseline_is_chosen_before_it_is_judged(baselines: object, higher: bool, best: str | None) -> None:
    assert best_baseline({"headline": {"metric": "mae", "higher_is_better": higher}, "baselines": baselines}) == best


def test_a_judgement_holds_all_scores_and_the_difference() -> None:
    found = judge(contest(1.0, 2.0, naive=3.0, drift=2.5), Gate(), "drift")

    assert found.scores == {CHALLENGER: 1.0, CHAMPION: 2.0, "naive": 3.0, "drift": 2.5}
    assert (found.items, found.best_baseline, found.difference, found.interval) == (10, "drift", 1.0, (1.0, 1.0))
    assert judge(contest(1.0), Gate(), None).interval is None


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = bootstrap(random.normal(0.3, 1, 200)) or (0.0, 0.0)
        held += low <= 0.3 <= high
    assert 0.88 <= held / 200 <= 0.98


def test_blocks_keep_what_depends_on_its_neighbours_together() -> None:
    noise = np.random.default_rng(2).normal(size=4_000)
    swinging = np.convolve(noise, np.ones(20), mode="valid")

    def width(block: int) -> float:
        low, high = bootstrap(swinging, block) or (0.0, 0.0)
        return high - low

    # The mean of a moving sum of 20 varies as 20 · noise's mean: 2 · 1.96 · 20 / sqrt(4,000) = 1.24.
    assert width(60) == pytest.approx(1.24, rel=0.15)
    assert width(1) < 0.9 * width(60)


@pytest.mark.parametrize(("count", "block"), [(1, 1), (4, 1), (24, 5), (30, 28)])
def test_of_few_blocks_there_is_no_interval(count: int, block: int) -> None:
    assert bootstrap(np.arange(count, dtype=float), block) is None


def test_the_interval_is_the_same_each_time() -> None:
    interval = bootstrap(np.arange(30.0))
    assert interval is not None
    assert interval[0] < 14.5 < interval[1]
    assert interval == bootstrap(np.arange(30.0))

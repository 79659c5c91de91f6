"""Who is promoted, and how sure that is."""

from typing import Any

import numpy as np
import pytest

from gristmill.retraining.gate import (
    Contest,
    best_baseline,
    cross_fitted,
    judge_contest,
    keeps_recipe,
    with_winner,
)
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION
from gristmill.scores import ByPart, Headline, Scores
from gristmill.settings.schedule import Gate

NAN, INF = float("nan"), float("inf")
NOT_FINITE = ": not all predictions are finite numbers"
FIRST = "; there was no champion"


def evaluated(baselines: dict[str, ByPart], higher: bool = False) -> Scores:
    """Return scores with these baselines."""
    headline = Headline(metric="mae", model=1.0, baseline=1.0, higher_is_better=higher)
    return Scores(headline=headline, best_baseline="naive", model={}, baselines=baselines)


def contest(challenger: float, champion: float | None = None, **baselines: float) -> Contest:
    """Return a contest of constant errors."""
    made = {CHALLENGER: challenger, **({} if champion is None else {CHAMPION: champion}), **baselines}
    return Contest("mae", {name: np.full(10, error) for name, error in made.items()})


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("errors", "margin", "promoted", "why"),
    [
        (contest(1.0, 2.0, naive=3.0), 0.0, True, "mae 1 against the champion's 2"),
        (contest(2.0, 2.0, naive=3.0), 0.0, False, "mae 2 against the champion's 2"),
        (contest(29086.4, 17.261, naive=3.0), 0.0, False, "mae 29,086 against the champion's 17.261"),
        (contest(1.95, 2.0, naive=3.0), 0.05, False, "mae 1.95 against the champion's 2 less 5%"),
        (contest(1.85, 2.0, naive=3.0), 0.05, True, "mae 1.85 against the champion's 2 less 5%"),
        (contest(3.0, 2.0, naive=1.0), 0.0, False, "mae 3 against the champion's 2"),
        (
            contest(3.79, 11.3, ar=3.54),
            0.0,
            True,
            "mae 3.79 against the champion's 11.3; still worse than ar with 3.54",
        ),
        (contest(1.0), 0.0, True, "mae 1" + FIRST),
        (contest(1.0, naive=1.5, drift=1.2), 0.0, True, "mae 1, not worse than drift with 1.2" + FIRST),
        (contest(1.2, naive=1.2), 0.0, True, "mae 1.2, not worse than naive with 1.2" + FIRST),
        (contest(1.5, naive=1.0), 0.0, False, "mae 1.5, worse than naive with 1 by more than one standard error, 0"),
        (contest(NAN, 2.0, naive=3.0), 0.0, False, "mae nan" + NOT_FINITE),
        (contest(NAN, NAN), 0.0, False, "mae nan" + NOT_FINITE),
        (contest(INF), 0.0, False, "mae inf" + NOT_FINITE),
    ],
)
def test_a_challenger_is_promoted_where_it_shows_what_the_gate_asks(
    errors: Contest, margin: float, promoted: bool, why: str
) -> None:
    names = ("drift", "naive", "ar")
    found = judge_contest(errors, Gate(margin=margin), next((name for name in names if name in errors.errors), None))
    assert (found.promoted, found.why) == (promoted, why)


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("worse", "count", "promoted", "why"),
    [
        (0.05, 40, True, ", worse than naive with 1 by at most one standard error, "),
        (0.4, 40, False, ", worse than naive with 1 by more than one standard error, "),
        (0.05, 8, False, ", worse than naive with 1; too few items for a standard error"),
    ],
)
def test_a_first_model_may_be_worse_than_the_best_baseline_by_one_standard_error(
    worse: float, count: int, promoted: bool, why: str
) -> None:
    noise = np.tile([-1.0, 1.0, 1.0, -1.0], 10)[:count]  # of which blocks of three still differ
    found = judge_contest(
        Contest("mae", {CHALLENGER: 1 + worse + noise, "naive": np.ones(count)}, block=count // 8 + 1), Gate(), "naive"
    )
    assert (found.promoted, why in found.why) == (promoted, True)


@pytest.mark.fault(34)
@pytest.mark.parametrize("error", [NAN, INF])
def test_a_champion_that_is_not_finite_loses_to_anything_finite(error: float) -> None:
    found = judge_contest(contest(5.0, error, naive=3.0), Gate(margin=0.5), "naive")

    assert found.promoted
    assert found.why == f"mae 5 against the champion's {error} less 50%; still worse than naive with 3"
    assert (found.difference, found.interval) == (None, None)
    assert [name for name, _ in found.rows] == ["naive", CHALLENGER, CHAMPION]


@pytest.mark.fault(34)
def test_a_baseline_that_is_not_finite_counts_as_absent() -> None:
    errors = contest(1.0, None, wild=NAN, spoilt=0.5, naive=2.0)
    errors.errors["spoilt"][3] = INF
    scores = {"wild": 0.1, "spoilt": 0.2, "unscored": NAN, "naive": 2.0}
    document = evaluated({name: {"validation": {"mae": score}} for name, score in scores.items()})
    errors.errors["unscored"] = np.zeros(10)

    best = best_baseline(document, errors)

    assert best == "naive"
    del errors.errors["unscored"]
    assert judge_contest(errors, Gate(), best).why == "mae 1, not worse than naive with 2" + FIRST
    errors.errors["unscored"] = np.zeros(10)
    del document.baselines["naive"]
    assert best_baseline(document, errors) is None


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
def test_the_best_baseline_is_chosen_before_it_is_judged(
    baselines: dict[str, ByPart], higher: bool, best: str | None
) -> None:
    assert best_baseline(evaluated(baselines, higher), contest(1.0, naive=1.0, drift=1.0)) == best


def test_a_judgement_holds_all_scores_and_the_difference() -> None:
    found = judge_contest(contest(1.0, 2.0, naive=3.0, drift=2.5), Gate(), "drift")

    assert found.scores == {CHALLENGER: 1.0, CHAMPION: 2.0, "naive": 3.0, "drift": 2.5}
    assert (found.items, found.best_baseline, found.difference, found.interval) == (10, "drift", 1.0, (1.0, 1.0))
    assert judge_contest(contest(1.0), Gate(), None).interval is None


@pytest.mark.parametrize(
    ("new", "old", "margin", "kept"),
    [
        (1.0, 2.0, 0.0, False),
        (2.0, 2.0, 0.0, True),
        (1.95, 2.0, 0.05, True),
        (1.85, 2.0, 0.05, False),
        (NAN, 2.0, 0.0, True),
        (2.0, NAN, 0.5, False),
        (NAN, INF, 0.0, False),
    ],
)
def test_the_champions_recipe_is_kept_unless_a_new_selection_is_better_by_the_margin(
    new: float, old: float, margin: float, kept: bool
) -> None:
    assert keeps_recipe(contest(new, 3.0), contest(old, 3.0), Gate(margin=margin)) is kept


@pytest.mark.parametrize(("kept", "challenger"), [(True, 2.0), (False, 1.0)])
def test_the_better_recipe_is_judged_against_the_model_that_serves(kept: bool, challenger: float) -> None:
    found = with_winner(contest(1.0, 3.0, naive=4.0), contest(2.0, 3.0, naive=4.0), kept)

    means = {name: errors.mean() for name, errors in found.errors.items()}
    recipes = {"new selection": 1.0, "champion's recipe": 2.0}
    assert means == {CHALLENGER: challenger, CHAMPION: 3.0, "naive": 4.0} | recipes
    assert judge_contest(found, Gate(), "naive").promoted


def recipes(new: list[float], old: list[float], block: int, weights: Any = None) -> tuple[Contest, Contest]:
    """Return the contests of a new selection and the champion's recipe, whose champion has errors of 2."""
    champion = {CHAMPION: np.full(len(new), 2.0)}
    first, second = (Contest("mae", {CHALLENGER: np.array(x)} | champion, block, weights=weights) for x in (new, old))
    return first, second


@pytest.mark.parametrize(
    ("new", "old", "block", "judged"),
    [
        ([1, 1, 1, 1], [2, 2, 2, 2], 1, [1, 1, 1, 1]),  # the halves agree
        ([1, 1, 3, 3], [2, 2, 2, 2], 1, [2, 2, 3, 3]),  # each half chose the recipe that is worse on the other one
        ([1, 3, 1, 3], [2, 2, 2, 2], 0, [2, 3, 2, 3]),  # independent items: every second one
        ([1, 3, 3], [2, 2, 2], 1, [2, 3, 3]),
        ([NAN, 1, 1, 1], [2, 2, 2, 2], 1, [NAN, 1, 2, 2]),
        ([1], [2], 1, [1]),
        ([3], [2], 0, [2]),
    ],
)
def test_each_half_is_judged_with_the_recipe_that_is_better_on_the_other(
    new: list[float], old: list[float], block: int, judged: list[float]
) -> None:
    found = cross_fitted(*recipes(new, old, block), Gate())

    np.testing.assert_array_equal(found.errors[CHALLENGER], judged)
    np.testing.assert_array_equal(found.errors["new selection"], new)
    np.testing.assert_array_equal(found.errors["champion's recipe"], old)


def test_the_choice_within_a_half_counts_weights() -> None:
    found = cross_fitted(*recipes([1, 4, 1, 1], [2, 2, 2, 2], 1, np.array([9.0, 1.0, 1.0, 1.0])), Gate())

    assert found.errors[CHALLENGER].tolist() == [1, 4, 1, 1]


@pytest.mark.slow
def test_the_difference_to_an_equal_champion_is_unbiased() -> None:
    random, plain, crossed = np.random.default_rng(0), [], []
    for _ in range(1_000):
        errors = np.abs(random.normal(size=(3, 30)))
        new, old = (Contest("mae", {CHALLENGER: own, CHAMPION: errors[2]}, block=1) for own in errors[:2])
        kept = keeps_recipe(new, old, Gate(margin=0.0))
        plain.append(judge_contest(with_winner(new, old, kept), Gate(), None).difference)
        unbiased = cross_fitted(new, old, Gate(margin=0.0))
        crossed.append(judge_contest(with_winner(new, old, kept), Gate(), None, unbiased).difference)

    assert np.mean(plain) > 0.05
    assert abs(np.mean(crossed)) < 0.015  # 2.5 standard errors


def test_the_reported_difference_is_that_of_the_cross_fit() -> None:
    crossed, whole = contest(2.25, 2.0, naive=3.0), contest(1.5, 2.0, naive=3.0)

    found = judge_contest(whole, Gate(), "naive", crossed)

    assert (found.promoted, found.why) == (True, "mae 1.5 against the champion's 2 less 1%")
    assert (found.scores[CHALLENGER], found.difference, found.interval) == (1.5, -0.25, (-0.25, -0.25))
    assert (
        found.items_in_words
        == "10 items; cross-fitted: each half is scored with the recipe that is better on the other half"
    )
    assert judge_contest(whole, Gate(), "naive").items_in_words == "10 items"


def test_a_first_model_is_compared_with_the_best_baseline_on_the_judged_items() -> None:
    found = judge_contest(contest(2.0, naive=3.0, drift=1.0), Gate(), "naive")

    assert not found.promoted
    assert found.why == "mae 2, worse than drift with 1 by more than one standard error, 0"
    assert found.best_baseline == "naive"


def squared(challenger: Any, champion: Any, **baselines: Any) -> Contest:
    """Return a contest of squared errors, whose scores are roots."""
    return Contest("rmse", {CHALLENGER: challenger, CHAMPION: champion, **baselines}, root=True)


@pytest.mark.parametrize(("margin", "promoted"), [(0.05, True), (0.15, False)])
def test_the_margin_is_a_share_of_the_root_of_squared_errors(margin: float, promoted: bool) -> None:
    errors = squared(np.full(10, 81.0), np.full(10, 100.0), naive=np.full(10, 400.0))

    found = judge_contest(errors, Gate(margin=margin), "naive")

    assert found.promoted is promoted
    assert found.why == f"rmse 9 against the champion's 10 less {margin:.0%}"
    assert (found.scores["naive"], found.difference, found.interval) == (20.0, 1.0, (1.0, 1.0))
    assert keeps_recipe(errors, squared(np.full(10, 100.0), np.full(10, 100.0)), Gate(margin=margin)) is not promoted


def test_the_difference_of_roots_has_their_standard_error() -> None:
    random = np.random.default_rng(0)
    one, other = np.square(random.normal(size=(2, 400)) * [[2.0], [2.2]])
    contest = squared(one, other)

    differences = contest.differences(CHAMPION, CHALLENGER)

    assert differences.mean() == pytest.approx(np.sqrt(other.mean()) - np.sqrt(one.mean()))
    drawn = random.integers(0, 400, size=(2_000, 400))
    roots = np.sqrt(other[drawn].mean(axis=1)) - np.sqrt(one[drawn].mean(axis=1))
    assert differences.std() / np.sqrt(400) == pytest.approx(roots.std(), rel=0.1)


def test_roots_of_zero_have_a_difference_of_zero() -> None:
    assert judge_contest(squared(np.zeros(10), np.zeros(10)), Gate(), None).difference == 0.0

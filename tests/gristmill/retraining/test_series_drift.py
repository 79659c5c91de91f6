"""Drift of series: alarms come where there is drift, and seldom where there is none, seasons included."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ks_2samp, norm

from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import category_drift, example_error_drift, number_drift
from gristmill.retraining.series_drift import normal_scores, series_error_drift, series_input_drift
from gristmill.runs.retraining_record import MAX_FALSE_ALARMS, Drift
from gristmill.settings.number_text import format_number

BEFORE = np.tile([1.0] * 8 + [5.0, 9.0], 20)
BEFORE[[10, 30]], BEFORE[[19, 39]] = 9.0, 5.0  # twice two large errors follow each other


def test_errors_larger_than_on_held_out_data_are_an_alarm() -> None:
    found = series_error_drift([np.array([1.0, *[20.0] * 19, 1.0])], [BEFORE])

    assert found is not None
    assert (found.count, found.large, found.run, found.run_before, found.alarm) == (21, 5.0, 19, 2, True)
    assert found.mean == pytest.approx(382 / 21)


@pytest.mark.parametrize("clustered", [False, True])
def test_more_large_errors_are_never_less_of_an_alarm(clustered: bool) -> None:
    random = np.random.default_rng(0)
    before = np.sort(random.random(29)) if clustered else random.random(60)  # or all large ones follow each other
    found = [series_error_drift([np.full(count, 20.0)], [before]) for count in range(1, 80)]

    chances = [each.probability for each in found if each]
    assert len(chances) == 79
    assert chances == sorted(chances, reverse=True)
    assert all(chance < MAX_FALSE_ALARMS for chance in chances[11:]) or clustered


def alarms(rho: float, seed: int, held_out: int = 60, new: int = 24) -> bool:
    """Whether there is an alarm on new absolute errors of an unchanged autoregression, in a look with one input."""
    values = autoregression(held_out + new, 1, rho, seed)[:, 0]
    found = series_error_drift([np.abs(values[held_out:])], [np.abs(values[:held_out])])
    assert found is not None
    return 2 * found.probability < MAX_FALSE_ALARMS


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_errors_that_depend_on_their_neighbours_are_seldom_an_alarm(rho: float) -> None:
    assert sum(alarms(rho, seed) for seed in range(500)) <= 5


def test_a_change_is_not_lost_among_many_earlier_errors() -> None:
    random = np.random.default_rng(0)
    before, calm = np.abs(random.normal(size=100)), np.abs(random.normal(size=300))
    found = series_error_drift([np.concatenate([calm, np.abs(random.normal(3, 1, 12))])], [before])
    assert found is not None
    assert found.alarm


@pytest.mark.fault(34)
def test_an_error_that_is_not_finite_is_larger_than_all_others() -> None:
    found = series_error_drift([np.array([np.nan, np.inf] * 6)], [np.random.default_rng(0).random(40)])
    assert found is not None
    assert (found.run, found.mean, found.alarm) == (12, np.inf, True)


def test_runs_end_with_their_stretch() -> None:
    found = series_error_drift([np.array([0.0, 9, 9]), np.array([9.0, 9, 0])], [np.tile([0.0, 1], 50)])
    assert found is not None
    assert found.run == 2


def test_without_errors_there_is_nothing_to_say() -> None:
    assert series_error_drift([np.array([])], [np.ones(5)]) is None
    assert series_error_drift([], [np.ones(5)]) is None


def test_of_few_held_out_errors_nothing_is_rare() -> None:
    for before, count in ((np.ones(1), 2), (np.ones(50), 1), (np.array([1.0, 1.5, 2.0]), 9)):
        found = series_error_drift([np.full(count, 9.0)], [before])
        assert found is not None
        assert not found.alarm


def test_errors_above_many_that_are_all_equal_are_an_alarm() -> None:
    found, same = (series_error_drift([np.full(9, new)], [np.zeros(400)]) for new in (5.0, 0.0))
    assert found is not None
    assert same is not None
    assert (found.alarm, same.alarm) == (True, False)


def test_larger_errors_are_an_alarm_whatever_the_number_of_inputs() -> None:
    errors = example_error_drift(np.full(60, 50.0), np.random.default_rng(0).random(60))
    quiet = [number_drift(f"column {at}", np.arange(50.0), np.arange(50.0)) for at in range(400)]
    names = category_drift("town", ["b"] * 60, ["a"] * 60)

    looked = combine_signs(errors, [names, *quiet])

    assert looked.errors is not None
    assert looked.errors.alarm
    assert [sign.name for sign in looked.inputs if sign.alarm] == ["town"]


def test_normal_scores_are_quantiles_of_the_normal_distribution() -> None:
    known = np.array([5.0, 1, 3])
    assert normal_scores(np.array([1.0, 3, 4, 9]), known) == pytest.approx(norm.ppf([0.25, 0.5, 0.625, 0.875]))


def season(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 10 * np.sin(np.arange(count) * 2 * np.pi / 365) + random.normal(size=count)


def test_a_season_is_no_drift_and_a_shift_is() -> None:
    series = season(365 * 6, 0)
    trained, ahead = series[: 365 * 5], series[365 * 5 :]

    calm = [series_input_drift("y", ahead[at : at + 30], trained).alarm for at in range(0, 330, 30)]
    moved = series_input_drift("y", ahead[:30] + 25, trained)

    assert sum(calm) == 0
    assert ks_2samp(ahead[60:90], trained).pvalue < 1e-6  # by the usual table each summer would be an alarm
    assert moved.alarm
    assert moved.test == "level of the last 30 (z statistic)"


def test_a_spread_that_has_grown_is_drift_and_one_that_has_shrunk_is_none() -> None:
    random = np.random.default_rng(0)
    trained, new = random.normal(size=1_000), random.normal(size=40)

    wide, narrow = (series_input_drift("y", new * factor, trained) for factor in (3, 1 / 3))

    assert (wide.alarm, narrow.alarm) == (True, False)
    assert wide.test == "spread of the last 40 (z statistic)"


def test_where_little_was_trained_on_nothing_can_be_called_rare() -> None:
    for trained in (np.array([1.0]), np.array([1.0, 2.0]), np.array([1.0, 5.0, 3.0, 2.0])):
        found = series_input_drift("y", np.full(20, 99.0), trained)
        assert not found.alarm, len(trained)


@pytest.mark.parametrize("sensor", ["continuous", "counts", "closed at night"])
def test_a_value_that_repeats_longer_than_ever_is_drift(sensor: str) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=648) if sensor == "continuous" else random.poisson(1.0, 648).astype(float)
    if sensor == "closed at night":
        values[np.arange(648) % 24 < 12] = 0.0
    trained, new = values[:600], values[600:]

    usual, stuck = series_input_drift("y", new, trained), series_input_drift("y", np.full(24, trained.min()), trained)

    assert not usual.alarm
    assert stuck.alarm == (sensor != "closed at night")
    if sensor == "continuous":
        assert (stuck.test, stuck.statistic) == ("number of equal newest values (at most 1 in training)", 24.0)
        # By the rule of succession 23 more are equal with the probability 1/601 · 2/602 · ... · 23/623.
        chance = np.prod(np.arange(1, 24) / np.arange(601, 624))
        assert stuck.probability == pytest.approx(3 * 301 * chance)


def test_a_test_that_is_repeated_after_every_arrival_raises_few_false_alarms() -> None:
    def ever(values: np.ndarray) -> bool:
        arrivals = range(312, 901, 12)
        return any(series_input_drift("y", values[300:end], values[:300]).alarm for end in arrivals)

    series = [autoregression(900, 1, rho, seed)[:, 0] for rho in (0.0, 0.5) for seed in range(20)]
    assert sum(map(ever, series)) <= 2


@pytest.mark.parametrize("quiet", [0, 30, 300])
@pytest.mark.parametrize("change", ["level", "variance", "season"])
def test_a_change_is_found_whenever_it_comes_and_as_long_as_it_lasts(change: str, quiet: int) -> None:
    values, at = autoregression(848, 1, 0.0, 1)[:, 0], 500 + quiet
    new = values[at:] * 3 if change == "variance" else values[at:] + 3
    if change == "season":
        new = values[at:] + 3 * np.sin(np.arange(len(new)) * 2 * np.pi / 12)
    values[at:] = new

    found = [series_input_drift("y", values[500 : at + more], values[:500]) for more in (24, 36, 48)]

    assert [sign.alarm for sign in found] == [True] * 3
    assert found[0].test.split()[0] == ("level" if change == "level" else "spread")


def test_a_column_that_never_moved_and_does_now_is_drift() -> None:
    same, moved = (series_input_drift("y", np.full(9, value), np.full(200, 0.1)) for value in (0.1, 0.2))
    assert (same.alarm, moved.alarm) == (False, True)


def autoregression(count: int, columns: int, rho: float, seed: int, heavy: bool = False) -> np.ndarray:
    """Return columns of an autoregression of the first order, each of variance 1; `heavy` of t(3) noise."""
    random = np.random.default_rng(seed)
    noise = (
        random.standard_t(3, (count + 100, columns)) / np.sqrt(3)
        if heavy
        else random.normal(size=(count + 100, columns))
    )
    return lfilter([1.0], [1.0, -rho], noise * np.sqrt(1 - rho**2), axis=0)[100:]


def look(values: np.ndarray, trained: int) -> Drift:
    """Return the signs of one look at columns and at the absolute values of the first one, as errors."""
    errors = np.abs(values[:, 0])
    return combine_signs(
        series_error_drift([errors[trained:]], [errors[trained - 60 : trained]]),
        [series_input_drift(f"{at}", column[trained:], column[:trained]) for at, column in enumerate(values.T)],
    )


@pytest.mark.parametrize(("columns", "looks"), [(1, 300), (50, 40)])
@pytest.mark.parametrize(("rho", "heavy"), [(0.0, False), (0.5, False), (0.0, True)])
def test_many_columns_raise_no_more_false_alarms_than_one(columns: int, looks: int, rho: float, heavy: bool) -> None:
    found = [look(autoregression(324, columns, rho, seed, heavy), 300) for seed in range(looks)]
    assert sum(bool(each.alarms) for each in found) <= max(1, looks // 100)


@pytest.mark.parametrize(("rho", "heavy"), [(0.0, False), (0.5, False), (0.0, True)])
def test_a_shift_of_one_column_of_fifty_is_an_alarm(rho: float, heavy: bool) -> None:
    values = autoregression(624, 50, rho, 0, heavy)
    values[600:, 7] += 3
    found = look(values, 600)
    assert [sign.name for sign in found.inputs if sign.alarm] == ["7"]
    assert found.errors is not None
    assert not found.errors.alarm


def test_alarms_are_told_in_words() -> None:
    errors = series_error_drift([np.full(20, 9.0)], [np.random.default_rng(0).random(50)])
    moved = series_input_drift("rain", 50 + season(30, 2), season(365 * 5, 1))

    assert errors is not None
    assert Drift(errors=errors, inputs=[moved]).alarms == [
        f"mean error 9 of 20 new ones, {errors.mean_before:.4g} on held-out data, "
        f"20 in a row above {errors.large:.4g}, probability {format_number(errors.probability, 2)}",
        f"rain: level of the last 30 (z statistic) {moved.statistic:.3f}, probability 0.000033",
    ]
    assert Drift(errors=None, inputs=[]).alarms == []

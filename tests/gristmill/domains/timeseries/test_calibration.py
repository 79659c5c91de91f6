"""Quantiles of forecasters, calibrated on held-out forecasts."""

from dataclasses import replace

import numpy as np
import pytest

from gristmill.domains.timeseries.forecasts import Forecasts
from gristmill.domains.timeseries.intervals import calibration
from gristmill.domains.timeseries.intervals.calibration import calibrated, local_at, with_intervals
from gristmill.domains.timeseries.intervals.quantiles import Intervals
from gristmill.scores import MODEL
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
TABLES = [RANDOM.normal(50, 9, size=(length, 3)) for length in (60, 40)]
DATA = assembled(*TABLES, inputs=1, history=5, horizon=2, validation=10, test=10, starts=[0, 20])
STARTS = DATA.origins("test")


def forecasts() -> Forecasts:
    """Return forecasts of the test set that are wrong by 2."""
    truth = DATA.targets(STARTS).astype(np.float64)
    return Forecasts(STARTS, truth, {MODEL: truth + 2})


def intervals(lag: int = 1, nonnegative: tuple[bool, bool] = (False, False)) -> Intervals:
    """Return intervals of two steps, two targets and three levels."""
    outer = np.array([[1.0, 2.0], [3.0, 4.0]])
    factors = np.stack([-outer, np.zeros((2, 2)), outer], axis=-1)
    return Intervals((0.1, 0.5, 0.9), factors, np.array([0.1, 0.1]), lag, nonnegative, (False, False), 10)


@pytest.mark.parametrize("lag", [1, 4])
def test_quantiles_lie_around_each_forecast(lag: int) -> None:
    plain = forecasts()
    other = replace(plain, by_name=plain.by_name | {"drift": plain.truth + 1, "alone": plain.truth})

    made = with_intervals(other, DATA, {MODEL: intervals(lag), "drift": intervals(lag)})

    scale = local_at(DATA, STARTS, lag, intervals().empty).scale[:, np.newaxis]
    assert made.levels == (0.1, 0.5, 0.9)
    assert made.quantiles_of("alone") is None
    for name in (MODEL, "drift"):
        quantiles = made.quantiles_of(name)
        assert quantiles is not None
        assert quantiles[..., 2] - quantiles[..., 1] == pytest.approx(scale * [[1, 2], [3, 4]])
        assert quantiles[..., 1] - quantiles[..., 0] == pytest.approx(scale * [[1, 2], [3, 4]])
        assert np.array_equal(quantiles[..., 1], other.by_name[name])


def test_a_model_keeps_the_quantiles_that_it_has_learned() -> None:
    quantiles = np.stack([forecasts().truth + at for at in (-1, 0, 1)], axis=-1)
    learned = replace(forecasts(), levels=(0.1, 0.5, 0.9), learned=quantiles)
    both = replace(learned, by_name=learned.by_name | {"drift": learned.truth})

    made = with_intervals(both, DATA, {MODEL: intervals(), "drift": intervals()})

    assert made.quantiles_of(MODEL) is learned.learned
    assert made.quantiles_of("drift") is not None


def test_forecasts_of_a_target_that_is_never_negative_are_not_either() -> None:
    below = replace(forecasts(), by_name={MODEL: np.full((18, 2, 2), -1000.0)})

    clipped = with_intervals(below, DATA, {MODEL: intervals(nonnegative=(True, False))})

    quantiles = clipped.quantiles_of(MODEL)
    assert quantiles is not None
    assert (clipped.by_name[MODEL][..., 0] == 0).all()
    assert (clipped.by_name[MODEL][..., 1] == -1000).all()
    assert (quantiles[..., 0, :2] == 0).all()
    assert (quantiles[..., 0, 2] > 0).all()
    assert quantiles[..., 1, 1] == pytest.approx(-1000)


def test_local_scales_equal_a_loop_and_do_not_see_other_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "WINDOWS_PER_CALL", 7)

    found = local_at(DATA, STARTS, 4)

    for start, scale, roughness in zip(STARTS, *found, strict=True):
        first = DATA.bounds[DATA.series_of(np.array([start]))[0], 0]
        past = DATA.values[max(first, start - 40) : start, :2].astype(float)
        assert scale == pytest.approx(np.abs(past[4:] - past[:-4]).mean(axis=0), rel=1e-5)
        assert roughness == pytest.approx((scale / (scale + np.abs(past).mean(axis=0))).min(), rel=1e-5)


@pytest.mark.parametrize("season", [None, 6, 100])
def test_the_lag_of_the_scale_is_the_one_with_the_lower_loss(season: int | None) -> None:
    """Some windows repeat a season exactly, others are noise; errors grow with one of the two scales."""
    wave = 9 * np.sin(2 * np.pi * np.arange(120) / 6)
    rough = np.where(np.arange(120) % 40 < 20, 0.01, 5.0) * RANDOM.normal(size=120)
    data = assembled(wave + rough, history=8, horizon=2, validation=60, test=12, season=season)
    starts = data.origins("validation")
    seasonal = local_at(data, starts, 6).scale[:, np.newaxis]
    truth = data.targets(starts).astype(np.float64)
    noise = RANDOM.choice([-1.0, 1.0], size=truth.shape)
    honest = Forecasts(starts, truth, {MODEL: truth - noise * seasonal, "drift": truth + 1})

    found = calibrated(honest, data, (0.1, 0.5, 0.9))

    assert list(found) == [MODEL, "drift"]
    assert {one.lag for one in found.values()} == {6 if season == 6 else 1}
    assert found[MODEL].nonnegative == (False,)
    if season == 6:
        assert found[MODEL].factors[..., -1] == pytest.approx(1, rel=1e-5)


def test_values_of_the_test_set_do_not_decide_whether_a_target_can_be_negative() -> None:
    values = np.abs(RANDOM.normal(size=60)) + 1
    values[-5:] = -1
    kinds = {}
    for name, low in (("validation", 45), ("test", 55)):
        changed = values.copy()
        changed[low] = -1
        data = assembled(changed, history=5, horizon=1, validation=10, test=10)
        starts = data.origins("validation")
        honest = Forecasts(starts, data.targets(starts).astype(float), {MODEL: np.ones((len(starts), 1, 1))})
        kinds[name] = calibrated(honest, data, (0.1, 0.5, 0.9))[MODEL].nonnegative

    assert kinds == {"validation": (False,), "test": (True,)}

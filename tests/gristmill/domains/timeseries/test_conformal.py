"""Symmetric distances or ratios: by hand, and chosen by the loss on windows that they were not calibrated on."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from gristmill.domains.timeseries.intervals import calibration
from gristmill.domains.timeseries.intervals.calibration import calibrate
from gristmill.domains.timeseries.intervals.quantiles import Intervals, LocalScale
from gristmill.domains.timeseries.scores.metrics import mean_pinball_loss

Array = npt.NDArray[np.float64]
Windows = tuple[Array, Array, LocalScale]

LEVELS = tuple(np.arange(1, 10) / 10)


def values(kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Return values with a mean of 1."""
    if kind == "sparse":
        return random.gamma(2, 2, shape) * (random.random(shape) < 0.25)
    return np.exp(random.normal(-0.5, 1, shape)) if kind == "skewed" else random.normal(1, 0.2, shape)


def drawn(kind: str, seed: int, windows: int = 400) -> Windows:
    """Return truth and its expected value, (windows, 3, 1), and the local scales of series of different sizes."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(2, 1, (windows, 1, 1)))
    past, truth = (size * values(kind, (windows, steps, 1), random) for steps in (36, 3))
    scale = np.abs(np.diff(past, axis=1)).mean(axis=1)
    return truth, np.repeat(size, 3, axis=1), LocalScale(scale, (scale / (scale + past.mean(axis=1)))[:, 0])


def loss(intervals: Intervals, windows: Windows) -> float:
    """Return the mean pinball loss of windows."""
    truth, forecast, local = windows
    return float(mean_pinball_loss(truth, intervals.around(forecast, local), LEVELS).mean())


@pytest.mark.parametrize(("kind", "ratios"), [("sparse", True), ("skewed", True), ("dense", False)])
@pytest.mark.parametrize("seed", range(3))
def test_ratios_are_chosen_where_values_are_skewed(kind: str, ratios: bool, seed: int) -> None:
    found = calibrate(*drawn(kind, seed), LEVELS, 1, [True])

    assert found.ratios == (ratios,)


def test_ratios_have_the_lower_loss_on_new_windows_of_sparse_demand() -> None:
    seen, new = drawn("sparse", 0), drawn("sparse", 1)
    of_any_sign = calibrate(*seen, LEVELS, 1, [False])

    found = calibrate(*seen, LEVELS, 1, [True])

    assert of_any_sign.ratios == (False,)  # ratios are for values that are never negative
    assert loss(found, new) < 0.95 * loss(replace(of_any_sign, nonnegative=(True,)), new)
    quantiles = found.around(*new[1:])
    assert (quantiles[..., 4] == 0).all()  # more than half of all values are 0
    assert (quantiles[..., 8] > new[1]).all()
    covered = (new[0] <= quantiles[..., 8]).mean()
    assert covered == pytest.approx(0.9, abs=0.03)


def test_a_common_error_of_a_block_leaves_quantiles_symmetric() -> None:
    truth, forecast, local = drawn("dense", 0)

    found = calibrate(truth + 0.3 * forecast, forecast, local, LEVELS, 1, [True])

    assert found.ratios == (False,)
    assert (found.factors[..., 4] == 0).all()


def test_each_target_has_its_own_form() -> None:
    (*dense, smooth), (*sparse, rough) = drawn("dense", 0), drawn("sparse", 0)
    truth, forecast = (np.concatenate(pair, axis=-1) for pair in zip(dense, sparse, strict=True))
    local = LocalScale(np.concatenate([smooth.scale, rough.scale], axis=-1), smooth.roughness)

    found = calibrate(truth, forecast, local, LEVELS, 1, [True, True])

    assert found.ratios == (False, True)
    alone = [calibrate(*drawn(kind, 0), LEVELS, 1, [True]).factors for kind in ("dense", "sparse")]
    assert found.factors == pytest.approx(np.concatenate(alone, axis=1))


def together(*parts: Windows) -> Windows:
    """Return the windows of all parts, shuffled."""
    truths, forecasts, locals_ = zip(*parts, strict=True)
    truth, forecast = np.concatenate(truths), np.concatenate(forecasts)
    order = np.random.default_rng(0).permutation(len(truth))
    return truth[order], forecast[order], LocalScale(*map(np.concatenate, zip(*locals_, strict=True))).at(order)


def test_rough_windows_have_ratios_where_others_are_symmetric() -> None:
    dense, sparse = drawn("dense", 0), drawn("sparse", 0)

    found = calibrate(*together(dense, sparse), LEVELS, 1, [True])

    assert found.rough is not None
    assert (found.ratios, found.rough.ratios) == ((False,), (True,))
    assert found.windows + found.rough.windows == 800
    for kind, seen in (("dense", dense), ("sparse", sparse)):
        alone, new = calibrate(*seen, LEVELS, 1, [True]), drawn(kind, 1)
        assert loss(found, new) == pytest.approx(loss(alone, new), rel=0.03)


def test_few_rough_windows_are_calibrated_with_the_others() -> None:
    found = calibrate(*together(drawn("dense", 0), drawn("sparse", 0, 49)), LEVELS, 1, [True])

    assert found.rough is None
    assert (found.ratios, found.windows) == ((False,), 449)


def test_a_ratio_is_the_truth_of_the_finite_sample_rank_divided_by_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_ratios", lambda windows, symmetric: (True,))
    levels = (0.1, 0.25, 0.5, 0.75, 0.9)
    forecast, local = np.full((19, 1, 1), 7.0), LocalScale(np.full((19, 1), 10.0), np.ones(19))  # so the level is 10
    truth = np.random.default_rng(0).permutation(np.arange(1.0, 20)).reshape(-1, 1, 1)

    found = calibrate(truth, forecast, local, levels, 1, [True])

    assert found.factors == pytest.approx(np.array([[[0.2, 0.5, 1, 1.5, 1.8]]]))  # ranks 2, 5, 10, 15, 18
    assert found.around(forecast[:1], local.at(slice(1))) == pytest.approx(np.array([[[[2, 5, 10, 15, 18]]]]))


def test_forecasts_and_scales_of_zero_have_finite_sorted_quantiles() -> None:
    truth, forecast, local = drawn("sparse", 0)
    forecast[::2], local.scale[::3] = 0, 0

    found = calibrate(truth, forecast, local, LEVELS, 1, [True])

    quantiles = found.around(forecast, local.with_empty(found.empty))
    assert found.ratios == (True,)
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("windows", [1, 2])
def test_few_windows_have_quantiles(windows: int) -> None:
    truth, forecast, local = drawn("sparse", 2, windows)

    found = calibrate(truth, forecast, local, LEVELS, 1, [True])

    assert (found.windows, found.factors.shape) == (windows, (3, 1, 9))
    assert np.isfinite(found.factors).all()


def test_values_that_are_all_zero_have_symmetric_quantiles() -> None:
    found = calibrate(
        np.zeros((9, 1, 1)), np.zeros((9, 1, 1)), LocalScale(np.zeros((9, 1)), np.ones(9)), LEVELS, 1, [True]
    )

    assert found.ratios == (False,)
    assert (found.factors == 0).all()

"""What is done to a window is undone in its forecast: each normalisation is an exact inverse."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Layout
from gristmill.domains.timeseries.fits.normalisation import in_raw_units, normalised, offset, window_statistics
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.settings import Train
from helpers.small_runs import assembled, networks

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(50, 9, size=(60, 4))  # two targets, one input, one known column
WINDOWS = RANDOM.normal(50, 9, size=(5, 6, 4)).astype(np.float32)

EVERY = [(normalise, residual) for normalise in ("none", "last", "mean", "reversible") for residual in (False, True)]


def layout(**settings: Any) -> Layout:
    return assembled(VALUES, inputs=1, known=1, history=6, horizon=3, test=9, **settings).layout


def forecaster(of: Layout, **learning: Any) -> keras.Model:
    """Return a linear network of random weights, raw values in and out."""
    keras.utils.set_random_seed(0)
    core, network = networks(Dense(kind="dense", units=()), Train(**learning), of)
    core.layers[-1].bias.assign(RANDOM.normal(size=core.layers[-1].bias.shape))
    return in_raw_units(network, of, learning.get("targets") == "sequence")


def predicted(network: keras.Model, windows: Any) -> Any:
    return np.asarray(network(np.asarray(windows, np.float32)))


@pytest.mark.parametrize(("normalise", "residual"), EVERY)
def test_the_network_standardises_normalises_and_undoes_both(normalise: str, residual: bool) -> None:
    """By hand, in NumPy and double precision."""
    of = layout(normalise=normalise, residual=residual)
    network = forecaster(of)
    dense = network.get_layer(index=2).get_layer("dense").layers[-1]
    kernel, bias = (np.asarray(weights, np.float64) for weights in dense.get_weights())

    standard = (WINDOWS.astype(np.float64) - of.mean) / of.deviation
    values = standard[:, :, :3]
    centre, spread = np.zeros((5, 1, 3)), np.ones((5, 1, 3))
    if normalise != "none":
        centre = values[:, -1:] if normalise == "last" else values.mean(axis=1, keepdims=True)
    if normalise == "reversible":
        spread = values.std(axis=1, keepdims=True) + 1e-3
    rows = np.column_stack([((values - centre) / spread).reshape(5, 18), standard[:, 3:, 3]])
    back = values[:, -1:, :2] if residual else centre[:, :, :2]
    forecast = (rows @ kernel + bias).reshape(5, 3, 2) * spread[:, :, :2] + back

    assert predicted(network, WINDOWS) == pytest.approx(forecast * of.deviation[:2] + of.mean[:2], rel=1e-4)


@pytest.mark.parametrize(("normalise", "residual"), EVERY)
def test_what_shifts_a_window_shifts_its_forecast(normalise: str, residual: bool) -> None:
    """Exactly, but where nothing is taken out of a window; what is known is never touched."""
    of, shift = layout(normalise=normalise, residual=residual), np.array([1000.0, -300.0, 77.0, 0.0])
    network = forecaster(of)

    moved = predicted(network, WINDOWS + shift) - predicted(network, WINDOWS)

    exact = np.abs(moved - shift[:2]).max() < 1e-2
    assert exact == (normalise != "none")


@pytest.mark.parametrize("residual", [False, True])
def test_what_stretches_a_window_stretches_its_forecast_where_normalisation_is_reversible(residual: bool) -> None:
    of = layout(normalise="reversible", residual=residual)
    network, centre = forecaster(of), np.append(WINDOWS[:, :, :3].mean(axis=1, keepdims=True), np.zeros((5, 1, 1)), 2)
    factor = np.array([8.0, 8.0, 8.0, 1.0])

    stretched = predicted(network, (WINDOWS - centre) * factor + centre)

    expected = (predicted(network, WINDOWS) - centre[:, :, :2]) * 8 + centre[:, :, :2]
    assert stretched == pytest.approx(
        expected, abs=0.2
    )  # of deviations of 72, up to what keeps a flat window from division by 0


@pytest.mark.parametrize("normalise", ["last", "mean", "reversible"])
def test_normalised_windows_put_back_are_the_windows(normalise: str) -> None:
    of = layout(normalise=normalise)

    made = normalised(WINDOWS, of)
    shift, scale = (np.asarray(statistic) for statistic in window_statistics(WINDOWS, of))

    assert shift.shape == scale.shape == (5, 1, 3)
    assert np.asarray(made)[:, :, :3] * scale + shift == pytest.approx(WINDOWS[:, :, :3], rel=1e-4)
    assert np.array_equal(np.asarray(made)[:, :, 3], WINDOWS[:, :, 3])
    put_back, stretched = (np.asarray(value) for value in offset(WINDOWS, of))
    assert np.array_equal(put_back, shift[:, :, :2])
    assert np.array_equal(stretched, scale[:, :, :2])


def test_a_flat_window_stays_finite() -> None:
    network = forecaster(layout(normalise="reversible"))

    assert np.isfinite(predicted(network, np.full((1, 6, 4), 7.0))).all()


@pytest.mark.parametrize(("normalise", "residual"), EVERY)
def test_quantiles_are_put_back_like_points(normalise: str, residual: bool) -> None:
    """A network whose quantiles are all alike forecasts what the same network of points does."""
    of = layout(normalise=normalise, residual=residual)
    points = forecaster(of)
    wide = forecaster(of, loss="quantile", quantiles=(0.1, 0.5, 0.9))
    kernel, bias = points.get_layer(index=2).get_layer("dense").layers[-1].get_weights()
    wide.get_layer(index=2).get_layer("dense").layers[-1].set_weights(
        [np.repeat(kernel, 3, axis=1), np.repeat(bias, 3)]
    )

    made = predicted(wide, WINDOWS)

    assert made.shape == (5, 3, 6)
    assert made == pytest.approx(np.repeat(predicted(points, WINDOWS), 3, axis=2), rel=1e-5)


def test_quantiles_that_cross_are_put_in_order() -> None:
    of = layout()
    wide = forecaster(of, loss="quantile", quantiles=(0.1, 0.5, 0.9))
    lags = wide.get_layer(index=2).get_layer("dense").layers[-1]
    crossing = np.tile([30.0, -1.0, 2.0], 6)  # of three steps and two targets
    lags.set_weights([np.zeros_like(lags.kernel), crossing])

    made = predicted(wide, WINDOWS).reshape(5, 3, 2, 3)

    raw = np.multiply.outer(np.array(of.deviation[:2]), [-1.0, 2.0, 30.0]) + np.array(of.mean[:2])[:, np.newaxis]
    assert made == pytest.approx(np.broadcast_to(raw, made.shape), rel=1e-5)


def test_no_scale_takes_raw_values_as_they_are() -> None:
    of = replace(layout(scale="none"), known=[], inputs=["y2", "y3"])

    assert (of.mean, of.deviation) == ([0.0] * 4, [1.0] * 4)
    assert predicted(forecaster(of), WINDOWS).shape == (5, 3, 2)

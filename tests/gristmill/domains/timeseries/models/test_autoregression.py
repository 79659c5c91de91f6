"""Autoregression by least squares and a recursion in loops."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.models.classical import Autoregression
from gristmill.errors import Unsuitable
from helpers.small_runs import assembled

HORIZON = 6


def series_of_order(seed: int, length: int, *coefficients: float) -> Any:
    """Return a series whose differences follow a recursion with noise, newest lag first."""
    rng, changes = np.random.default_rng(seed), [0.0] * len(coefficients)
    for _ in range(length):
        changes.append(0.1 + sum(c * changes[-lag] for lag, c in enumerate(coefficients, 1)) + rng.normal())
    return 30 + np.cumsum(changes[-length:])


def forecast(network: Any, values: Any) -> Any:
    history = network.input_shape[1]
    window = np.full(history, np.nan)
    window[-len(values[-history:]) :] = values[-history:]
    return np.asarray(network(window.astype(np.float32).reshape(1, -1, 1)))[0, :, 0]


def recursed(coefficients: Any, changes: Any, level: float, scale: float = 1.0) -> Any:
    """Return the forecasts of a recursion; the constant is first, then the oldest lag."""
    changes, made = list(changes), []
    for _ in range(HORIZON):
        lags = changes[len(changes) - len(coefficients) + 1 :]
        changes.append(coefficients[0] * scale + sum(c * x for c, x in zip(coefficients[1:], lags, strict=True)))
        level += changes[-1]
        made.append(level)
    return np.array(made)


def regressed(rows: list[Any], truth: list[float]) -> Any:
    return np.linalg.lstsq(np.array([[1.0, *row] for row in rows]), np.array(truth))[0]


@pytest.mark.parametrize("order", [1, 2, 7])
def test_one_series_is_regressed_on_its_own_differences(order: int) -> None:
    series = series_of_order(0, 120, 0.5, -0.3).astype(np.float32).astype(np.float64)
    data = assembled(series, history=1, horizon=HORIZON, test=20)
    changes = np.diff(series[:100])
    at = range(order, len(changes))
    coefficients = regressed([changes[now - order : now] for now in at], [changes[now] for now in at])

    network = Autoregression(kind="autoregression", order=order).fit(data)

    assert network.input_shape[1] == order + 1
    for origin in (100, 110, 120):
        expected = recursed(coefficients, np.diff(series[:origin]), series[origin - 1])
        assert forecast(network, series[:origin]) == pytest.approx(expected, rel=1e-5)


def test_the_order_has_the_lowest_criterion() -> None:
    series = series_of_order(1, 220, 0.5, -0.4, 0.3).astype(np.float32).astype(np.float64)
    changes = np.diff(series[:200])
    limit = int(10 * np.log10(len(changes)))
    truth, criteria = changes[limit:], []
    for order in range(1, limit + 1):
        rows = [changes[now - order : now] for now in range(limit, len(changes))]
        left = truth - np.array([[1.0, *row] for row in rows]) @ regressed(rows, list(truth))
        criteria.append(len(truth) * np.log(np.mean(left**2)) + 2 * order)

    network = Autoregression(kind="autoregression").fit(assembled(series, history=1, horizon=HORIZON, test=20))

    assert network.input_shape[1] == np.argmin(criteria) + 1 + 1


def test_several_series_are_pooled_in_units_of_their_windows() -> None:
    order, small = 2, series_of_order(2, 80, 0.6, -0.2).astype(np.float32)
    large = (1000 * series_of_order(3, 60, 0.6, -0.2)).astype(np.float32)
    data = assembled(small, large, np.full(50, 7.0), starts=[0, 20, 30], history=1, horizon=HORIZON, test=10)
    rows, truth = [], []
    for series in (small[:70], large[:50]):
        changes = np.diff(series.astype(np.float64))
        for now in range(order, len(changes)):
            scale = np.sqrt(np.mean(changes[now - order : now] ** 2))
            rows.append(changes[now - order : now] / scale)
            truth.append(changes[now] / scale)

    network = Autoregression(kind="autoregression", order=order).fit(data)

    coefficients = regressed(rows, truth)
    for series in (small, large):
        changes = np.diff(series.astype(np.float64))
        scale = float(np.sqrt(np.mean(changes[-order:] ** 2)))
        expected = recursed(coefficients, changes, float(series[-1]), scale)
        assert forecast(network, series) == pytest.approx(expected, rel=1e-5)
    assert forecast(network, np.full(50, 7.0)).tolist() == [7] * HORIZON


def test_each_target_has_its_own_order_and_coefficients() -> None:
    first, second = series_of_order(4, 150, 0.9), series_of_order(5, 150, 0.1, 0.1, 0.1, -0.6)
    settings = Autoregression(kind="autoregression")
    cut: Any = {"history": 1, "horizon": HORIZON, "test": 10}

    both = settings.fit(assembled(np.column_stack([first, second]), **cut))

    alone = [settings.fit(assembled(each, **cut)) for each in (first, second)]
    history = both.input_shape[1]
    assert history == max(network.input_shape[1] for network in alone)
    window = np.column_stack([first, second])[np.newaxis, -history:].astype(np.float32)
    expected = np.column_stack([forecast(*pair) for pair in zip(alone, (first, second), strict=True)])
    assert np.asarray(both(window))[0] == pytest.approx(expected, rel=1e-5)


def test_a_series_that_is_too_short_for_the_order_is_refused() -> None:
    with pytest.raises(Unsuitable, match=r"^needs 11 observations in the training set; the series has 10$"):
        Autoregression(kind="autoregression", order=4).fit(assembled(np.arange(12) ** 2.0, history=1, test=2))

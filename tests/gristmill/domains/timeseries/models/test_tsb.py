"""The TSB method against loops over the formulas, and against other models on sparse demand."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import thinned
from gristmill.domains.timeseries.fits import tsb as tsb_graph
from gristmill.domains.timeseries.forecasts import by_network
from gristmill.domains.timeseries.models.classical import Tsb
from gristmill.domains.timeseries.models.naive import MovingAverage, Naive
from gristmill.domains.timeseries.scores.score_table import is_sparse, share_of_zeros
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)


def demand(length: int, probability: float) -> Any:
    """Return sparse demand of one to nine pieces."""
    return (RANDOM.random(length) < probability) * RANDOM.integers(1, 10, length).astype(float)


def squared_error(network: Any, data: Prepared, starts: Any) -> float:
    """Return the mean squared error of a network's forecasts."""
    forecasts = by_network(network, data.seen_by(network), starts, once=True)
    return float(np.square(forecasts - data.targets(starts)).mean())


def by_hand(values: Any, probability: float, size: float) -> float:
    """Return the forecast by loops: means whose weights fall by these shares, from the newest value on."""
    often = much = often_weight = much_weight = 0.0
    for age, value in enumerate(reversed(values)):
        often += (1 - probability) ** age * (value != 0)
        often_weight += (1 - probability) ** age
    for age, value in enumerate(value for value in reversed(values) if value):
        much += (1 - size) ** age * value
        much_weight += (1 - size) ** age
    return often / often_weight * (much / much_weight if much_weight else 0.0)


@pytest.mark.parametrize(("observed", "share"), [(40, 0.3), (7, 0.5), (1, 1.0), (25, 0.0), (40, 1.0)])
def test_the_forecast_is_how_often_times_how_much(observed: int, share: float) -> None:
    data = assembled(demand(60, 0.3), history=1, horizon=3, test=3)
    network = Tsb(kind="tsb", probability=0.2, size=0.3).fit(data)
    window = np.full((1, network.input_shape[1], 1), np.nan, np.float32)
    values = demand(observed, share)
    window[0, -observed:, 0] = values

    forecast = np.asarray(network(window))

    assert forecast.shape == (1, 3, 1)
    assert forecast[0, :, 0] == pytest.approx(by_hand(values, 0.2, 0.3), rel=1e-5)


def test_weights_are_those_with_the_lowest_squared_error(monkeypatch: pytest.MonkeyPatch) -> None:
    level = np.repeat([1.0, 6.0, 2.0, 9.0], 40)  # sizes that change soon, which a small weight follows too late
    data = assembled(level * (RANDOM.random(160) < 0.5), history=1, horizon=2, test=4)

    def error(probability: float, size: float) -> float:
        network, starts = Tsb(kind="tsb", probability=probability, size=size).fit(data), data.origins("train")
        return squared_error(network, data, starts)

    chosen, starts = Tsb(kind="tsb").fit(data), data.origins("train")
    found = squared_error(chosen, data, starts)

    errors = [error(often, much) for often in tsb_graph.WEIGHTS for much in tsb_graph.WEIGHTS]
    assert found == pytest.approx(min(errors), rel=1e-5)
    assert min(errors) < 0.99 * max(errors)


def test_weights_are_tried_on_windows_of_all_places_of_a_season(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def kept(starts: Any, most: int) -> Any:
        tried.append(thinned(starts, most))
        return tried[-1]

    monkeypatch.setattr(tsb_graph, "thinned", kept)
    monkeypatch.setattr(tsb_graph, "MAX_WINDOWS", 40)
    data = assembled(*(demand(121, 0.4) for _ in range(4)), history=1, horizon=1, test=1)  # 476 windows: every 12th

    Tsb(kind="tsb", probability=0.1).fit(data)

    assert len(tried) == 1
    assert 35 <= len(tried[0]) <= 45
    assert len({start % 12 for start in tried[0]}) == 12


@pytest.mark.slow
def test_sparse_demand_is_forecast_better_than_by_naive_kinds() -> None:
    data = assembled(*(demand(120, RANDOM.uniform(0.1, 0.4)) for _ in range(40)), history=1, horizon=6, test=12)
    starts = data.origins("test")

    def error(model: Any) -> float:
        return squared_error(model.fit(data), data, starts)

    assert error(Tsb(kind="tsb")) < 0.9 * min(error(Naive(kind="naive")), error(MovingAverage(kind="moving_average")))


def test_series_are_sparse_if_half_of_the_training_values_are_zero() -> None:
    values = np.concatenate([np.tile([0.0, 3.0], 20), np.ones(10)])
    sparse = assembled(values, history=1, horizon=1, test=10)
    dense = assembled(values + (np.arange(50) == 0), history=1, horizon=1, test=10)

    assert (share_of_zeros(sparse), is_sparse(sparse)) == (0.5, True)
    assert (share_of_zeros(dense), is_sparse(dense)) == (19 / 40, False)

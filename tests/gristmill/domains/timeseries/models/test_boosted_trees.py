"""Boosted trees add to the last value of a window; the latest part of the training set chooses their number."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits import boosting
from gristmill.domains.timeseries.fits.boosting import features_network, rows_of
from gristmill.domains.timeseries.models.boosted_trees import BoostedTrees
from gristmill.errors import Unsuitable
from gristmill.training.trees.fit import fit_trees
from gristmill.training.trees.tree_data import TreeFit, Trees
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
SMALL = BoostedTrees(kind="boosted_trees", rounds=60, learning_rate=0.2)


def predicted(network: Any, data: Prepared, part: str = "test") -> Any:
    return np.asarray(network(data.histories(data.origins(part))))


def error(forecast: Any, data: Prepared) -> float:
    return float(np.abs(forecast - data.targets(data.origins("test"))).mean())


def test_what_is_no_line_is_learned() -> None:
    """The logistic map: the next value is a parabola of the last, which looks like noise to a linear model."""
    values = [0.3]
    for _ in range(600):
        values.append(3.9 * values[-1] * (1 - values[-1]))
    data = assembled(values, history=4, test=100)

    made = predicted(SMALL.fit(data), data)

    assert error(made, data) < 0.03
    assert error(data.values[data.origins("test") - 1][:, np.newaxis], data) > 0.3


def test_each_step_has_its_known_columns_and_its_season() -> None:
    """Sales jump on days that are known ahead, and repeat each week."""
    days = np.arange(500)
    holiday = (RANDOM.random(500) < 0.2).astype(float)
    sales = 10 + 3 * (days % 7 == 5) + 8 * holiday + RANDOM.normal(0, 0.1, 500)
    known = np.append(holiday[3:], np.zeros(3))  # position t has the value of t + horizon
    data = assembled(np.column_stack([sales, known]), known=1, history=14, horizon=3, season=7, test=60)

    made = predicted(SMALL.fit(data), data)

    assert error(made, data) < 0.5


def test_series_of_different_size_are_learned_together() -> None:
    time = np.arange(150)
    shape = 2 + np.abs(np.sin(2 * np.pi * time / 12))
    data = assembled(shape, 500 * shape, 3e4 * shape, history=24, horizon=2, season=12, test=24)

    made = predicted(SMALL.fit(data), data)

    truth = data.targets(data.origins("test"))
    relative = np.abs(made / truth - 1).mean(axis=(1, 2)).reshape(3, -1).mean(axis=1)
    assert (relative < 0.01).all()


def test_rows_are_steps_of_windows_relative_to_the_last_value() -> None:
    data = assembled(RANDOM.normal(size=(60, 2)).cumsum(axis=0), history=5, horizon=3, normalise="last", residual=True)
    starts = data.origins("train")[:7]

    features, targets, weights = rows_of(data, features_network(data, levels=True), starts)

    steps = (data.targets(starts) - data.values[starts - 1][:, np.newaxis]) / data.layout.deviation
    assert targets == pytest.approx(steps.reshape(21, 2), abs=1e-5)
    assert features[:, -1].tolist() == [1, 2, 3] * 7
    assert weights.tolist() == [1] * 21


def test_of_many_series_fewer_trees_learn_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[TreeFit] = []

    def recorded(asked: list[TreeFit]) -> list[Trees]:
        fits.extend(asked)
        return fit_trees(asked)

    monkeypatch.setattr(boosting, "fit_trees", recorded)
    monkeypatch.setattr(boosting, "MIN_ROUNDS", 5)
    monkeypatch.setattr(boosting, "MAX_LEAVES_SOUGHT", 20 * 2 * 3)  # 20 rounds for the steps of two series
    data = assembled(*RANDOM.normal(size=(2, 60)).cumsum(axis=1), history=5, horizon=3, test=9)

    made = predicted(SMALL.fit(data), data)

    (fit,) = fits
    assert (fit.settings.rounds, fit.settings.learning_rate, fit.validation) == (20, pytest.approx(0.6), None)
    assert np.isfinite(made).all()


def test_the_latest_fifth_chooses_the_rounds_of_a_fit_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[TreeFit] = []
    done: list[Trees] = []

    def fit(asked: list[TreeFit]) -> list[Trees]:
        fits.extend(asked)
        done.extend(boosting_fit(asked))
        return done[-len(asked) :]

    boosting_fit = boosting.fit_trees
    monkeypatch.setattr(boosting, "fit_trees", fit)
    data = assembled(RANDOM.normal(size=(108, 2)), history=8, test=10)

    SMALL.fit(data)

    assert [len(one.features) for one in fits] == [72, 90]
    assert fits[0].validation is not None
    assert np.array_equal(fits[0].validation[0], fits[1].features[72:])
    assert fits[1].settings.rounds == tuple(max(1, count) for count in done[0].rounds)
    assert fits[1].validation is None


def test_many_windows_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    data = assembled(RANDOM.normal(size=400), history=4, horizon=2, test=50)

    assert np.isfinite(predicted(SMALL.fit(data), data)).all()


def test_too_few_windows_do_not_suit() -> None:
    with pytest.raises(Unsuitable, match=r"needs 40 windows in the training set; it has 35"):
        SMALL.fit(assembled(np.arange(40.0), history=4, test=1))

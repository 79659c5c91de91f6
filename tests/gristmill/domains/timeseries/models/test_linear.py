"""Linear and ridge are ridge regression in closed form; ridge chooses penalty and normalisation itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.models.linear import Linear, Ridge
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from helpers.small_runs import assembled

Array = npt.NDArray[np.float64]

RANDOM = np.random.default_rng(0)
WALK = RANDOM.normal(size=(90, 4)).cumsum(axis=0)
CUT: dict[str, Any] = {"inputs": 1, "known": 1, "history": 6, "horizon": 3, "validation": 10, "test": 10}
DATA = assembled(WALK, **CUT)
ONE = {"history": 6, "horizon": 2, "test": 20}


def ridge(features: Array, targets: Array, l2: float) -> Array:
    """Return weights and bias by least squares on the rows of a penalty, which is another way to the same."""
    size = features.shape[1]
    design = np.column_stack([features, np.ones(len(features))])
    penalty = np.column_stack([np.sqrt(l2) * np.eye(size), np.zeros(size)])
    rows = np.concatenate([targets, np.zeros((size, targets.shape[1]))])
    return np.linalg.lstsq(np.concatenate([design, penalty]), rows)[0]


def by_hand(data: Prepared, starts: Any, normalise: str = "none") -> tuple[Array, Array, Array, Array]:
    """Return features, normalised targets, shift and scale of windows, window by window."""
    layout, found = data.layout, []
    targets = len(layout.targets)
    for start in starts:
        standard = (data.values.astype(np.float64) - layout.mean) / layout.deviation
        window, ahead = standard[start - layout.history : start], standard[start : start + layout.horizon, :targets]
        values = window[:, : layout.channels]
        shift = {"none": 0 * values[-1], "last": values[-1], "reversible": values.mean(axis=0)}[normalise]
        scale = values.std(axis=0) + 1e-3 if normalise == "reversible" else np.ones_like(shift)
        known = window[len(window) - layout.horizon :, layout.channels :]
        row = np.concatenate([((values - shift) / scale).ravel(), known.ravel()])
        found.append((row, ((ahead - shift[:targets]) / scale[:targets]).ravel(), shift[:targets], scale[:targets]))
    features, wanted, shifts, scales = (np.array(each) for each in zip(*found, strict=True))
    return features, wanted, np.tile(shifts, layout.horizon), np.tile(scales, layout.horizon)


def in_units(standard: Array, data: Prepared) -> Array:
    """Return standardised forecasts in raw units, (windows, horizon, targets)."""
    targets = len(data.layout.targets)
    made = standard.reshape(len(standard), -1, targets)
    return made * data.layout.deviation[:targets] + data.layout.mean[:targets]


def predicted(network: keras.Model, data: Prepared, part: str = "test") -> Any:
    return np.asarray(network(data.histories(data.origins(part))))


@pytest.mark.parametrize("l2", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("normalise", ["none", "last", "reversible"])
def test_linear_is_ridge_regression(l2: float, normalise: Any) -> None:
    features, targets, _, _ = by_hand(DATA, DATA.origins("train"), normalise)
    solution = ridge(features, targets, l2)
    seen, _, shift, scale = by_hand(DATA, DATA.origins("test"), normalise)
    expected = (np.column_stack([seen, np.ones(len(seen))]) @ solution) * scale + shift

    network = Linear(kind="linear", l2=l2).fit(replace(DATA, layout=replace(DATA.layout, normalise=normalise)))

    assert predicted(network, DATA) == pytest.approx(in_units(expected, DATA), rel=1e-3, abs=1e-3)


def test_a_larger_penalty_gives_smaller_weights_and_leaves_the_bias_free() -> None:
    data = assembled(WALK[:, 0] + 100, **ONE)
    starts = data.origins("train")

    made = predicted(Linear(kind="linear", l2=1e9).fit(data), data)

    assert made == pytest.approx(np.broadcast_to(data.targets(starts).mean(axis=0), made.shape), rel=1e-4)


def test_blocks_give_what_all_windows_at_once_do(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[Linear | Ridge] = [Linear(kind="linear"), Ridge(kind="ridge")]
    whole = [predicted(model.fit(DATA), DATA) for model in models]
    monkeypatch.setattr("gristmill.domains.timeseries.fits.ridge.WINDOWS_PER_BLOCK", 7)

    for model, expected in zip(models, whole, strict=True):
        assert predicted(model.fit(DATA), DATA) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("normalise", ["none", "last", "mean"])
def test_a_linear_recurrence_is_forecast_without_error(normalise: str, tmp_path: Path) -> None:
    """A sum of waves obeys one; what is taken out of a window and put back leaves it one."""
    time = np.arange(120)
    values = 50 + 9 * np.sin(2 * np.pi * time / 12) + 4 * np.cos(2 * np.pi * time / 5)
    data = assembled(values, history=10, horizon=4, test=20, normalise=normalise)

    models: list[Linear | Ridge] = [Linear(kind="linear", l2=0.0), Ridge(kind="ridge", decay=0.0)]
    for model in models:
        network, course = fit_forecaster(model, Train(), data, tmp_path, tmp_path, on_epoch=lambda epoch: None)
        assert predicted(network, data) == pytest.approx(data.targets(data.origins("test")), abs=2e-2), model.kind
        assert course.curve("loss") == []


def test_lags_that_say_the_same_are_solved_for_too() -> None:
    values = np.repeat(RANDOM.normal(size=(60, 1)), 2, axis=1)
    data = assembled(values, inputs=1, history=3)

    made = predicted(Linear(kind="linear", l2=0.0).fit(data), data)

    assert np.abs(made).max() < 5


@pytest.mark.parametrize("normalise", ["none", "last", "reversible"])
@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_ridge_has_the_penalty_that_is_best_on_left_out_windows(normalise: Any, decay: float) -> None:
    """By a loop over penalties and folds, each solved anew; a lag is scaled down by its age."""
    features, targets, _, _ = by_hand(DATA, DATA.origins("train"), normalise)
    ages = np.repeat(np.arange(6, 0, -1.0), 3)
    weights = np.concatenate([ages**-decay, np.ones(3)])
    folds, penalties = np.array_split(np.arange(len(features)), 5), np.logspace(-7, 1.5, 18)
    errors = []
    for penalty in penalties:
        total = 0.0
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(features)), fold)
            solution = ridge(features[rest] * weights, targets[rest], penalty * len(rest))
            left = np.column_stack([features[fold] * weights, np.ones(len(fold))])
            total += np.square(left @ solution - targets[fold]).sum()
        errors.append(total)
    solution = ridge(features * weights, targets, penalties[np.argmin(errors)] * len(features))
    seen, _, shift, scale = by_hand(DATA, DATA.origins("test"), normalise)
    expected = (np.column_stack([seen * weights, np.ones(len(seen))]) @ solution) * scale + shift

    network = Ridge(kind="ridge", decay=decay, normalise=normalise).fit(DATA)

    assert np.ptp(errors) > 1
    assert predicted(network, DATA) == pytest.approx(in_units(expected, DATA), rel=1e-3, abs=1e-3)


def test_ridge_is_the_mean_over_normalisations() -> None:
    alone = [predicted(Ridge(kind="ridge", normalise=one).fit(DATA), DATA) for one in ("none", "last")]

    both = predicted(Ridge(kind="ridge").fit(DATA), DATA)

    assert np.abs(alone[0] - alone[1]).max() > 0.01
    assert both == pytest.approx((alone[0] + alone[1]) / 2, abs=1e-4)


def test_ridge_leaves_out_a_normalisation_that_is_much_worse() -> None:
    """The last value of noise says nothing of the next one, and its square root of two is lost."""
    data = assembled(RANDOM.normal(size=400), history=1, test=50)
    alone = predicted(Ridge(kind="ridge", normalise="none").fit(data), data)

    assert predicted(Ridge(kind="ridge").fit(data), data) == pytest.approx(alone, abs=1e-6)


def test_series_of_different_size_count_alike() -> None:
    """The same shape, a thousand times larger, is forecast as well: relative to its window."""
    time = np.arange(80)
    small = np.sin(2 * np.pi * time / 10) + np.cos(2 * np.pi * time / 7)
    data = assembled(small + 5, 1000 * small + 5e4, history=12, test=20)

    made = predicted(Ridge(kind="ridge", normalise="reversible").fit(data), data)[:, 0, 0]

    errors = np.abs(made - data.targets(data.origins("test"))[:, 0, 0]) / np.repeat([1.0, 1000.0], 20)
    assert errors.max() < 0.01


def test_a_history_of_its_own() -> None:
    network = Ridge(kind="ridge", history=9).fit(replace(DATA, layout=replace(DATA.layout, history=9)))

    assert network.input_shape == (None, 9, 4)

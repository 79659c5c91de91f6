"""What holds of every kind in closed form: it keeps its contract with missing steps, is kept, and exported."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.view import ViewSettings
from gristmill.errors import Unsuitable
from gristmill.export.formats import FORMATS
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from helpers.small_runs import assembled

PACKAGE = "gristmill.domains.timeseries.models"
CLASSES = {kind: settings_of(kind, PACKAGE) for kind in kinds(PACKAGE)}
LEARNED = ViewSettings  # kinds that learn how columns and series relate; see test_every_learner.py
KINDS = [kind for kind, chosen in CLASSES.items() if hasattr(chosen, "fit") and not issubclass(chosen, LEARNED)]

HORIZON, SEASON, TARGETS = 3, 4, 2


@cache
def prepared() -> Prepared:
    """Return two series of two targets, an input and a known column, positive, with trend and season."""
    rng, time = np.random.default_rng(0), np.arange(60)[:, np.newaxis]
    values = 50 + time * [1, -0.3, 0, 0] + 9 * np.cos(np.pi / 2 * time) + rng.normal(size=(60, 4)).cumsum(axis=0)
    return assembled(
        values, values[10:] * 3, inputs=1, known=1, season=SEASON, history=7, horizon=HORIZON, validation=10, test=10
    )


@cache
def fitted(kind: str) -> Any:
    return settings_of(kind, PACKAGE).model_validate({"kind": kind}).fit(prepared())


def predicted(network: Any, inputs: Any) -> Any:
    """Return forecasts without compiling the network, which takes longer than a few calls."""
    return np.asarray(network(inputs))


def windows(network: Any, observed: int | None = None) -> Any:
    """Return the windows of the last origins, of which only the last steps may be observed."""
    history, data = network.input_shape[1], prepared()
    made = np.full((9, history, 4), np.nan, np.float32)
    for row in range(9):
        values = data.values[: 60 - row][-min(history, observed or history) :]
        made[row, -len(values) :] = values
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_forecasts_the_targets_from_their_windows_alone(kind: str) -> None:
    network, data = fitted(kind), prepared()
    inputs = windows(network)
    forecast = predicted(network, inputs)

    assert network.input_shape[1] <= 40  # observations of the longest training set
    assert network.input_shape[2:] == (len(data.layout.columns),)
    assert forecast.shape == (9, HORIZON, TARGETS)
    assert np.isfinite(forecast).all()
    inputs[:, :, TARGETS:] = np.nan
    assert np.array_equal(predicted(network, inputs), forecast)
    inputs[:, :, 1] = 0
    assert predicted(network, inputs)[:, :, 0] == pytest.approx(forecast[:, :, 0], rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_forecasts_follow_the_unit_of_the_values(kind: str) -> None:
    network = fitted(kind)
    inputs = windows(network)
    forecast = predicted(network, inputs)

    assert predicted(network, 1024 * inputs) == pytest.approx(1024 * forecast, rel=1e-4)


@pytest.mark.parametrize("observed", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_short_series_are_forecast_too(kind: str, observed: int) -> None:
    network = fitted(kind)
    inputs = windows(network, observed)
    forecast = predicted(network, inputs)

    assert np.isfinite(forecast).all()
    near = np.nanmax(np.abs(inputs[:, :, :TARGETS]))
    assert np.abs(forecast).max() < 5 * near


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_of_equal_values_is_continued(kind: str) -> None:
    network = fitted(kind)
    for level in (0.0, 7.0, 1e6):
        inputs = np.full((2, *network.input_shape[1:]), level, np.float32)
        assert predicted(network, inputs) == pytest.approx(np.full((2, HORIZON, TARGETS), level), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_without_a_value_has_no_forecast_and_disturbs_no_other(kind: str) -> None:
    network = fitted(kind)
    inputs = windows(network)
    expected = predicted(network, inputs)
    inputs[3] = np.nan

    forecast = predicted(network, inputs)

    assert np.isnan(forecast[3]).all()
    assert np.array_equal(np.delete(forecast, 3, axis=0), np.delete(expected, 3, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_refuses_a_series_that_is_too_short_or_forecasts_it(kind: str) -> None:
    settings = settings_of(kind, PACKAGE).model_validate({"kind": kind})
    for length in (3, 4, 6, 9):
        data = assembled(np.arange(length) ** 2.0, season=SEASON, history=1, test=1)
        try:
            network = settings.fit(data)
        except Unsuitable:
            continue
        assert network.input_shape[1] < length
        assert np.isfinite(predicted(network, data.values[np.newaxis, -network.input_shape[1] :])).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_kept_bit_by_bit(kind: str, tmp_path: Path) -> None:
    network = fitted(kind)
    inputs = windows(network, 9)

    saved_network.write(network, tmp_path)

    assert np.array_equal(predicted(saved_network.read(tmp_path), inputs), predicted(network, inputs))
    assert (tmp_path / "architecture.json").stat().st_size < 200_000  # no large constants


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_repeats_the_forecasts(kind: str, form: str, tmp_path: Path) -> None:
    network, chosen = fitted(kind), FORMATS[form]
    expected = {observed: predicted(network, windows(network, observed)) for observed in (None, 3, 9)}
    chosen.write(network, tmp_path / chosen.path)
    predict = chosen.load(tmp_path / chosen.path)

    for observed, forecast in expected.items():
        assert predict(windows(network, observed)) == pytest.approx(forecast, rel=1e-5, abs=1e-5)

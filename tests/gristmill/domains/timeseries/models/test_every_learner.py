"""What holds of every kind in closed form that learns from all columns and series: it is kept, and exported."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.view import ViewSettings
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.export.formats import FORMATS
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from helpers.small_runs import assembled

PACKAGE = "gristmill.domains.timeseries.models"
CLASSES = {kind: settings_of(kind, PACKAGE) for kind in kinds(PACKAGE)}
KINDS = [kind for kind, chosen in CLASSES.items() if hasattr(chosen, "fit") and issubclass(chosen, ViewSettings)]
SERIES, HORIZON, TARGETS = 2, 3, 2


@cache
def prepared() -> Prepared:
    """Return two series of two targets, an input and a known column."""
    rng = np.random.default_rng(0)
    walks = [50 + rng.normal(size=(length, 4)).cumsum(axis=0) for length in (120, 60)]
    cut: dict[str, Any] = {"season": 4, "history": 7, "horizon": HORIZON, "validation": 10, "test": 10}
    return assembled(*walks, starts=[0, 60], inputs=1, known=1, **cut)


@cache
def fitted(kind: str, history: int | None = None) -> Any:
    settings: Any = CLASSES[kind].model_validate({"kind": kind, "history": history})
    network, _ = fit_forecaster(settings, Train(), prepared(), Path(), Path(), lambda epoch: None)
    return network


def predicted(network: Any, inputs: Any) -> Any:
    """Return forecasts without compiling the network, which takes longer than a few calls."""
    return np.asarray(network(inputs))


def windows(network: Any) -> Any:
    data = prepared().seen_by(network)
    return data.histories(np.concatenate([data.origins("validation"), data.origins("test")]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_window_has_a_forecast_of_each_step_and_target(kind: str) -> None:
    network = fitted(kind)
    inputs = windows(network)

    assert network.input_shape == (None, 7, 4)
    assert predicted(network, inputs).shape == (len(inputs), HORIZON, TARGETS)
    assert np.isfinite(predicted(network, inputs)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_history_may_begin_before_the_series(kind: str) -> None:
    """The second series has 40 observations before the validation set; its first season is repeated backwards."""
    network = fitted(kind, 45)
    inputs = windows(network)
    forecast = predicted(network, inputs)
    filled = inputs.copy()
    for window in filled:
        begin = int(np.isnan(window[:, 0]).sum())
        for step in range(begin):
            window[step] = window[begin + (step - begin) % 4]

    assert network.input_shape == (None, 45, 4)
    assert np.isnan(inputs).any()
    assert np.isfinite(forecast).all()
    assert predicted(network, filled) == pytest.approx(forecast, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_forecasts_depend_on_the_past_alone(kind: str) -> None:
    """Other values of the validation and the test set give the same forecasts."""
    data = prepared()
    values = data.values.copy()
    for begin, end in np.concatenate([data.part("validation"), data.part("test")]):
        values[begin:end] *= 10
    changed: Any = type(data)(**vars(data) | {"values": values})
    settings: Any = CLASSES[kind].model_validate({"kind": kind})

    network, _ = fit_forecaster(settings, Train(), changed, Path(), Path(), lambda epoch: None)

    inputs = windows(network)
    assert np.array_equal(predicted(network, inputs), predicted(fitted(kind), inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_fits_are_kept_as_equal_bytes_and_read_bit_by_bit(kind: str, tmp_path: Path) -> None:
    network, folders = fitted(kind), [tmp_path / "first", tmp_path / "second"]
    for folder, one in zip(folders, (network, fitted.__wrapped__(kind)), strict=True):
        folder.mkdir()
        saved_network.write(one, folder)

    inputs = windows(network)
    assert np.array_equal(predicted(saved_network.read(folders[0]), inputs), predicted(network, inputs))
    for name in ("architecture.json", "weights.npz"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert (folders[0] / "architecture.json").stat().st_size < 200_000  # no large constants


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_repeats_the_forecasts(kind: str, form: str, tmp_path: Path) -> None:
    """Also of windows that begin before the series."""
    network, chosen = fitted(kind, 45), FORMATS[form]
    inputs = windows(network)

    chosen.write(network, tmp_path / chosen.path)

    found = chosen.load(tmp_path / chosen.path)(inputs)
    assert found == pytest.approx(predicted(network, inputs), rel=1e-4, abs=1e-4)

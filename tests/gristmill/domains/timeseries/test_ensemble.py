"""The average of forecasters is one network that repeats them, whatever they see of a window and in every format."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.ensemble import average
from gristmill.domains.timeseries.fits.normalisation import in_raw_units
from gristmill.domains.timeseries.forecasts import by_network
from gristmill.domains.timeseries.intervals.quantiles import Intervals, with_quantiles
from gristmill.domains.timeseries.models.classical import Ets
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.naive import MovingAverage, SeasonalNaive
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.export.formats import FORMATS
from gristmill.training import saved_network
from helpers.small_runs import assembled, networks

MODELS: dict[str, Any] = {
    "seasonal_naive": SeasonalNaive(kind="seasonal_naive"),  # sees 4 steps
    "linear": Linear(kind="linear"),  # 7
    "dense": Dense(kind="dense", units=(3,)),  # 7
    "moving_average": MovingAverage(kind="moving_average", length=20),  # 20
    "ets": Ets(kind="ets"),  # the longest
}
WEIGHTS = dict(zip(MODELS, (0.1, 0.2, 0.3, 0.15, 0.25), strict=True))


@cache
def prepared() -> Prepared:
    """Return two series of two targets, an input and a known column."""
    rng, time = np.random.default_rng(0), np.arange(60)[:, np.newaxis]
    values = 50 + time * [1, -0.3, 0, 0] + 9 * np.cos(np.pi / 2 * time) + rng.normal(size=(60, 4)).cumsum(axis=0)
    return assembled(values, values[10:] * 3, inputs=1, known=1, season=4, history=7, horizon=3, validation=10, test=10)


@cache
def members() -> dict[str, Any]:
    """Return the fitted networks by name."""
    fitted = {}
    for name, model in MODELS.items():
        if name == "dense":  # untrained
            fitted[name] = in_raw_units(networks(model, Train(), prepared().layout)[1], prepared().layout)
        else:
            fitted[name], _ = fit_forecaster(model, Train(), prepared(), Path(), Path(), lambda epoch: None)
    return fitted


@cache
def ensemble() -> Any:
    """Return the average of all members."""
    return average([(network, WEIGHTS[name]) for name, network in members().items()], prepared().layout)


def predicted(network: Any, inputs: Any) -> Any:
    """Return forecasts without compiling the network, which takes longer than a few calls."""
    return np.asarray(network(inputs))


def windows(steps: int | None = None) -> Any:
    """Return the windows of the last origins, of which only the last steps may be observed."""
    history, data = ensemble().input_shape[1], prepared()
    made = np.full((9, history, 4), np.nan, np.float32)
    for row in range(9):
        values = data.values[: 60 - row][-min(history, steps or history) :]
        made[row, -len(values) :] = values
    return made


def test_histories_differ() -> None:
    seen = {name: network.input_shape[1] for name, network in members().items()}

    assert (seen["seasonal_naive"], seen["linear"], seen["dense"], seen["moving_average"]) == (4, 7, 7, 20)
    assert ensemble().input_shape == (None, max(seen.values()), 4)
    assert ensemble().output_shape == (None, 3, 2)


@pytest.mark.parametrize("steps", [None, 30, 7], ids=["whole", "shorter", "shortest"])
def test_it_forecasts_the_weighted_average_of_what_its_members_do(steps: int | None) -> None:
    """Also of a series that is shorter than the window, which then begins with NaN."""
    inputs = windows(steps)
    expected = np.zeros((9, 3, 2))
    for name, network in members().items():
        expected += WEIGHTS[name] * predicted(network, inputs[:, -network.input_shape[1] :])

    made = predicted(ensemble(), inputs)

    assert np.isfinite(made).all()
    assert made == pytest.approx(expected, rel=1e-5)


def test_of_prepared_series_each_member_forecasts_the_same_windows() -> None:
    data = prepared()
    starts = data.origins("test")

    made = by_network(ensemble(), data.seen_by(ensemble()), starts, once=True)

    each = {name: by_network(network, data.seen_by(network), starts, once=True) for name, network in members().items()}
    assert made == pytest.approx(weighted_average(each, WEIGHTS), rel=1e-5)


def test_the_weighted_average_equals_a_loop() -> None:
    each = {name: np.random.default_rng(at).normal(size=(4, 3, 2)) for at, name in enumerate("abc")}
    weights = {"a": 0.5, "c": 0.5}

    made = weighted_average(each, weights)

    for place in np.ndindex(4, 3, 2):
        assert made[place] == pytest.approx(0.5 * each["a"][place] + 0.5 * each["c"][place])


def test_a_single_member_is_exported_as_it_is() -> None:
    network = members()["linear"]

    assert average([(network, 1.0)], prepared().layout) is network


def test_it_is_kept_bit_by_bit_and_equal_members_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        again = average([(network, WEIGHTS[one]) for one, network in members().items()], prepared().layout)
        saved_network.write(again, tmp_path / name)

    inputs = windows(30)
    assert np.array_equal(predicted(saved_network.read(tmp_path / "first"), inputs), predicted(ensemble(), inputs))
    for file in ("architecture.json", "weights.npz"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    assert (tmp_path / "first/architecture.json").stat().st_size < 400_000  # no large constants


def test_it_can_be_a_member_itself() -> None:
    """An ensemble that was kept is a network like any other."""
    both = average([(ensemble(), 0.5), (members()["linear"], 0.5)], prepared().layout)

    inputs = windows()
    expected = predicted(ensemble(), inputs) + predicted(members()["linear"], inputs[:, -7:])
    assert predicted(both, inputs) == pytest.approx(expected / 2, rel=1e-5)


@cache
def spread() -> Any:
    """Return a network of the forecasts and the quantiles around them."""
    factors = np.sort(np.random.default_rng(0).normal(size=(3, 2, 5)), axis=-1)
    smooth = Intervals((0.1, 0.3, 0.5, 0.7, 0.9), factors, np.array([0.1, 0.2]), 24, (True, False), (False, False), 30)
    intervals = replace(smooth, rough=replace(smooth, factors=2 * factors, ratios=(True, False)))
    return with_quantiles(ensemble(), intervals)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras"])
def test_every_format_repeats_the_forecasts_and_their_quantiles(form: str, tmp_path: Path) -> None:
    chosen, network = FORMATS[form], spread()
    history = network.input_shape[1]
    longer = ((0, 0), (history - ensemble().input_shape[1], 0), (0, 0))
    inputs = [np.pad(windows(steps), longer, constant_values=np.nan) for steps in (None, 30, 7)]
    expected = [predicted(network, each) for each in inputs]
    chosen.write(network, tmp_path / chosen.path)
    predict = chosen.load(tmp_path / chosen.path)

    assert history == 24 + 36
    for each, quantiles in zip(inputs, expected, strict=True):
        assert quantiles.shape == (9, 3, 2 * 6)
        assert np.isfinite(quantiles).all()
        assert predict(each) == pytest.approx(quantiles, rel=1e-5, abs=1e-5)

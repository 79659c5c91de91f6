"""Every kind forecasts series of a few values, if the series are split per series."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.normalisation import in_raw_units
from gristmill.domains.timeseries.forecasts import by_network
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.errors import Unsuitable
from gristmill.settings.kinds import kinds, settings_of
from helpers.small_runs import assembled, networks

PACKAGE = "gristmill.domains.timeseries.models"
SMALL: dict[str, dict[str, Any]] = {
    "boosted_trees": {"rounds": 3},
    "conv": {"filters": (4,), "kernel": 2},
    "conv_lstm": {"filters": 4, "kernel": 3, "units": (3,), "dense": (3,)},
}
ALIKE = ("bidirectional", "lstm", "rnn")  # what they see of a short series is what gru sees
SHORT = (1, 2, 3)  # observations before a test set


@cache
def prepared() -> Prepared:
    """Return positive series of 40 observations, and some that are shorter than a history."""
    rng = np.random.default_rng(0)
    lengths = (40, 40, *(length + 3 for length in SHORT))
    series = [50 + rng.normal(size=length).cumsum() for length in lengths]
    return assembled(*series, history=8, horizon=3, season=4, test=3, split="per_series")


def small(kind: str) -> Any:
    return settings_of(kind, PACKAGE).model_validate({"kind": kind} | SMALL.get(kind, {}))


def fitted(kind: str, data: Prepared, folder: Path) -> Any:
    model = small(kind)
    return fit_forecaster(model, Train(epochs=1), data, folder, folder, lambda epoch: None)[0]


@pytest.mark.parametrize("kind", [kind for kind in kinds(PACKAGE) if kind not in ALIKE])
def test_series_of_a_few_values_have_finite_forecasts(kind: str, tmp_path: Path) -> None:
    data, model = prepared(), small(kind)
    starts = data.origins("test")
    if hasattr(model, "build") and kind != "dense":  # untrained: training sees whole windows only
        network = in_raw_units(networks(model, Train(), data.layout)[1], data.layout, sequence=False)
    else:
        network = fitted(kind, data, tmp_path)

    forecast = by_network(network, data.seen_by(network), starts, once=True)

    assert (starts - data.bounds[:, 0]).tolist() == [37, 37, *SHORT]  # every series is forecast
    assert np.isfinite(forecast).all()
    assert np.abs(forecast).max() < 500


@pytest.mark.parametrize("kind", ["dense", "gru", "linear", "ridge", "boosted_trees"])
def test_too_few_whole_windows_to_learn_from_are_unsuitable(kind: str, tmp_path: Path) -> None:
    data = assembled(np.arange(9.0), np.arange(7.0), history=8, horizon=3, test=3, split="per_series")

    with pytest.raises(Unsuitable, match=r"needs \d+ windows"):
        fitted(kind, data, tmp_path)

"""A model may see more or fewer values than the pipeline's windows hold, and forecasts the same windows as others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.view import view, with_seasonal_history
from gristmill.domains.timeseries.forecasts import by_network, read_predictions
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.sequence import Conv
from gristmill.domains.timeseries.settings import Ingest, Train
from gristmill.errors import Unsuitable
from gristmill.settings.custom_code import CustomCode
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from helpers.small_runs import CUT, KERAS, Folders, Predict, assembled, run_stages, with_bundle

pytest_plugins = ["helpers.end_to_end", "helpers.small_runs"]

VALUES = np.random.default_rng(0).normal(size=(90, 2)).cumsum(axis=0)
DATA = assembled(VALUES, known=1, history=6, horizon=3, validation=20, test=10)


def test_settings_that_are_not_set_are_those_of_the_pipeline() -> None:
    seen = view(Dense(kind="dense", history=9, normalise="mean", residual=True), DATA)

    assert view(Dense(kind="dense"), DATA).layout == DATA.layout
    assert view(CustomCode.model_validate({"kind": "mine.py:build"}), DATA).layout == DATA.layout
    assert (seen.layout.history, seen.layout.normalise, seen.layout.residual) == (9, "mean", True)


@pytest.mark.parametrize("history", [4, 6, 11])
def test_windows_to_forecast_are_the_same_and_windows_to_learn_from_need_the_history(history: int) -> None:
    seen = view(Dense(kind="dense", history=history), DATA)

    for part in ("validation", "test"):
        assert seen.origins(part).tolist() == DATA.origins(part).tolist()
    assert seen.complete_origins("train")[0] == max(6, history)
    assert seen.histories(seen.origins("test")).shape[1] == history


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (59, r"needs 2 windows of 59 \+ 3 observations in the training set; it has 1"),
        (2, r"needs a history of at least 3 observations for known columns; it has 2"),
    ],
)
def test_a_history_that_is_not_there_is_refused(history: int, said: str) -> None:
    data = assembled(VALUES, known=1, history=6, horizon=3, validation=18, test=10)

    with pytest.raises(Unsuitable, match=said):
        view(Dense(kind="dense", history=history), data)


@pytest.mark.parametrize(
    ("season", "asked", "history"),
    [(12, None, 12), (12, 6, 6), (4, None, 6), (0, None, 6), (33, None, 33), (40, None, 6)],
)
def test_a_history_of_a_season_is_taken_if_most_windows_have_it(season: int, asked: int | None, history: int) -> None:
    data = assembled(VALUES[:, 0], history=6, horizon=3, validation=10, test=10, season=season)

    assert with_seasonal_history(data, asked).layout.history == history


def test_a_network_shows_how_much_it_sees() -> None:
    network = Linear(kind="linear").fit(view(Linear(kind="linear", history=9), DATA))

    seen = DATA.seen_by(network)

    assert seen.layout.history == 9
    assert by_network(network, seen, seen.origins("test")).shape == (8, 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        Linear(kind="linear", history=20, normalise="last"),
        Linear(kind="linear", history=8),
        Conv(kind="conv", filters=(4,), history=20, residual=True),
    ],
    ids=["longer", "shorter", "any length"],
)
def test_it_is_evaluated_exported_and_forecasts_from_its_own_history(
    model: Any,
    tmp_path: Any,
    source: Csv,
    meaning: Ingest,
    series_file: Any,
    solved: Folders,
    forecast: Predict,
    parity_here: None,
) -> None:
    """A network of any length sees as much in use as it did in training."""
    folders = run_stages(tmp_path, source, meaning, series_file, CUT, model, Train(epochs=2, batch_size=128))
    network = saved_network.read(folders["train"])

    made = with_bundle(folders, KERAS)

    assert network.input_shape == (None, model.history, 1)
    rows = read_predictions(folders["evaluate"], "test")
    assert rows["ds"].tolist() == read_predictions(solved["evaluate"], "test")["ds"].tolist()
    table = pd.read_csv(series_file)
    found = forecast(made, table.tail(model.history))["sunspots"]
    values = table["sunspots"].to_numpy(np.float32)[np.newaxis, -model.history :, np.newaxis]
    assert found.to_numpy() == pytest.approx(np.asarray(network(values))[0, :, 0], rel=1e-4)

"""Logged forecasts, compared with what came: their error is that of the champion's replay, to the last bit."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.forecasts import Forecasts
from gristmill.domains.timeseries.monitoring import live_rows
from gristmill.domains.timeseries.retraining import RETRAINING, ChampionReplay
from gristmill.domains.timeseries.scores.score_table import losses, past_errors
from gristmill.domains.timeseries.settings import Ingest, Preprocess
from gristmill.errors import RequestError
from gristmill.monitoring.live_rows import LiveRows, score_table
from gristmill.monitoring.prediction_columns import BATCH, COVERED, LEVEL, SCORE
from gristmill.monitoring.prediction_log import PredictionLog
from gristmill.runs.retraining_record import Champion, ErrorDrift
from gristmill.store.store import Store
from gristmill.util.table_io import read_table
from helpers.small_runs import CUT, KERAS, SAMPLE, Folders, table_of, with_bundle, write_ingested

pytest_plugins = ["helpers.small_runs", "helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("loaded_once", "eager")

Predict = Callable[..., pd.DataFrame]

RUN = "20261128T000000-000000-00"
TRAINED, KNOWN = 200, 212  # months that the model knows, and that are known later


def ingested_months(root: Path, months: int = KNOWN, change: Any = None) -> Path:
    """Return the folder of so many months of sunspots, changed and ingested."""
    values = pd.read_csv(SAMPLE)["sunspots"].head(months).to_numpy()
    root.mkdir()
    table = table_of(values if change is None else change(values), names="sunspots")
    write_ingested(root, table.assign(unique_id="sunspots", ds=pd.date_range("1749-01-01", periods=months, freq="MS")))
    return root


def champion(run: Folders, preprocess: Preprocess = CUT) -> Champion:
    return Champion(run, {"preprocess": preprocess})


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(Store(tmp_path / "store"), "small", timedelta(days=1))


@pytest.fixture(scope="module")
def forecasts() -> list[pd.DataFrame]:
    """What `answered` logs, once it has been forecast."""
    return []


@pytest.fixture
def answered(log: PredictionLog, exported: Folders, forecast: Predict, forecasts: list[pd.DataFrame]) -> pd.DataFrame:
    """The log of forecasts from each month that was the last one known, 200 to 211."""
    months = pd.read_csv(SAMPLE)
    forecasts.extend(forecast(exported, months.head(known)) for known in range(TRAINED + len(forecasts), KNOWN))
    for made in forecasts:
        log.add(made, RUN, 1, "inputs")
    return log.read()


def overall(live: LiveRows, metric: str = "mae") -> "pd.Series[Any]":
    return score_table(live, metric).iloc[0]


@pytest.mark.slow
def test_the_live_error_is_that_of_the_replay_to_the_last_bit(
    answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    now = ingested_months(tmp_path / "now")
    trained = read_table(exported["ingest"] / "series.parquet")["ds"].max()
    replay = ChampionReplay(exported["export"], CUT, now, trained)
    starts = replay.data.origins("test")
    errors = np.abs(replay.data.targets(starts) - replay.forecast(starts))

    live = live_rows(answered[answered["ds"] < answered["ds"].max()], now, champion(exported), RUN)

    # The forecast from the month before the last one, of which one step is known, is no window of the replay.
    last = live.rows["origin"].max()
    assert len(starts) == KNOWN - TRAINED - 1
    assert overall(live)["scored"] == 2 * len(starts) + 1
    assert overall(LiveRows(live.rows[live.rows["origin"] < last], {}, live.drift))["mae"] == errors.mean()
    replayed, whole = RETRAINING.drift(now, champion(exported)), answered[answered[BATCH] != answered[BATCH].iloc[-1]]
    of_whole = live_rows(whole, now, champion(exported), RUN).drift
    assert of_whole.errors is not None
    assert replayed.errors is not None
    assert of_whole.errors.mean == replayed.errors.mean  # of the same windows, one step ahead, in deviations
    assert [sign.name for sign in live.drift.inputs] == ["forecast sunspots", "sunspots"]


@pytest.mark.slow
def test_what_is_not_known_yet_is_counted_only(answered: pd.DataFrame, exported: Folders, tmp_path: Path) -> None:
    live = live_rows(answered, ingested_months(tmp_path / "now", TRAINED), champion(exported), RUN)

    assert overall(live)[["predicted", "scored"]].tolist() == [24, 0]
    assert overall(live)[["mae", "coverage"]].isna().all()
    assert live.drift.errors is None


def test_the_coverage_is_the_share_of_values_within_the_outermost_quantiles(
    answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    now = ingested_months(tmp_path / "now")
    truth = read_table(now / "series.parquet").set_index("ds")["sunspots"]
    known = answered[answered["ds"].isin(truth.index)]
    values = truth.loc[known["ds"]].to_numpy()
    inside = known["sunspots quantile 0.1"].le(values) & known["sunspots quantile 0.9"].ge(values)

    live = live_rows(answered, now, champion(exported), RUN)

    assert overall(live)["coverage"] == inside.mean()
    assert live.rows[COVERED].notna().sum() == len(known)


def test_each_model_has_its_own_outermost_quantiles(
    log: PredictionLog, answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    now = ingested_months(tmp_path / "now")
    of_one = live_rows(answered, now, champion(exported), RUN)
    names = {f"sunspots quantile {level}": f"sunspots quantile {other}" for level, other in ((0.1, 0.25), (0.9, 0.75))}
    for _, batch in answered.groupby("@batch"):
        rows = batch[["ds", "sunspots", *names]].rename(columns=names)
        log.add(rows.reset_index(drop=True), "another run", 2, "inputs")

    live = live_rows(log.read(), now, champion(exported), RUN)

    assert live.rows.groupby("@run")[LEVEL].unique().map(list).to_dict() == {RUN: [0.8], "another run": [0.5]}
    assert np.isnan(overall(live)["coverage"])
    both = score_table(live, "mae").set_index("by").loc["version", "coverage"]
    assert both.tolist() == [overall(of_one)["coverage"]] * 2


def test_the_last_of_several_forecasts_from_an_origin_counts(
    log: PredictionLog, answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    again = answered.loc[:1, ["ds", "sunspots"]].assign(sunspots=1000.0)
    log.add(again, RUN, 1, "inputs")

    live = live_rows(log.read(), ingested_months(tmp_path / "now"), champion(exported), RUN)

    assert len(live.rows) == len(answered)
    assert (live.rows["forecast"] == 1000).sum() == 2


def test_steps_beyond_the_horizon_filled_values_and_forecasts_that_are_no_numbers(
    log: PredictionLog, exported: Folders, tmp_path: Path
) -> None:
    now = ingested_months(tmp_path / "now")
    table = read_table(now / "series.parquet")
    table.loc[TRAINED + 1, "filled"] = True
    table.to_parquet(now / "series.parquet")
    times = table["ds"].iloc[TRAINED : TRAINED + 4]
    log.add(pd.DataFrame({"ds": times, "sunspots": [np.nan, 1.0, 2.0, 3.0]}), RUN, None, "inputs")

    live = live_rows(log.read(), now, champion(exported), RUN)

    assert live.rows[SCORE].tolist()[:1] == [np.inf]  # not a number is never better than a number
    assert live.rows[SCORE].isna().tolist() == [False, True, True, True]


def test_a_shift_of_level_is_a_sign_of_the_model_that_serves(
    answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    later = np.arange(KNOWN) >= TRAINED
    now = ingested_months(tmp_path / "now", change=lambda values: values + 500 * later)

    live = live_rows(answered, now, champion(exported), RUN)

    assert live.drift.errors is not None
    assert isinstance(live.drift.errors, ErrorDrift)
    assert (live.drift.errors.count, live.drift.errors.run) == (12, 12)  # all of them are large
    assert [sign.name for sign in live.drift.inputs if sign.alarm][
        -1
    ] == "sunspots"  # 12 errors are too few for an alarm
    assert live_rows(answered, now, champion(exported), "another run").drift.errors is None


@pytest.mark.slow
def test_several_series_are_scored_in_units_of_their_naive_errors(
    rolled: Folders, forecast: Predict, log: PredictionLog, tmp_path: Path, parity_here: None
) -> None:
    run = with_bundle(rolled, KERAS, tmp_path)
    rows = pd.read_csv(rolled["ingest"].parent / "rows.csv")
    meaning = Ingest(time=("day",), target=("sales", "returns"), series="shop")
    cut = Preprocess(history=7, validation=10, test=10)
    log.add(forecast(run, rows.groupby("shop").head(55), meaning, cut, steps=1), RUN, 2, "inputs")
    data = dataset.read(run["preprocess"])
    starts = data.bounds[:, 0] + 55
    truth = data.targets(starts).astype(np.float64)
    replay = ChampionReplay(run["export"], cut, run["ingest"], data.times.max())  # all is before the test set
    made = replay.forecast(starts)
    units = past_errors(replay.data.view(season=data.layout.season), "test", Forecasts(starts, truth))
    expected = losses(truth, made, *units)["mase"].values

    live = live_rows(log.read(), run["ingest"], champion(run, cut), RUN)

    table = score_table(live, "mase").set_index(["by", "group"])
    assert list(dict.fromkeys(table.index.get_level_values("by"))) == ["all", "day", "series", "channel"]
    assert table.loc[("all", ""), ["predicted", "scored"]].tolist() == [28, 28]
    assert table.loc[("all", ""), "mase"] == pytest.approx(expected.mean(), rel=1e-6)
    assert table.loc["series", "mase"].to_numpy() == pytest.approx(expected.mean(axis=(1, 2)), rel=1e-6)
    assert table.loc["channel"].index.tolist() == ["returns", "sales"]
    assert live.drift.errors is not None


def test_forecasts_of_times_of_another_kind_are_left_out(
    log: PredictionLog, answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    log.add(pd.DataFrame({"ds": [201, 202], "sunspots": [1.0, 2.0]}), RUN, 1, "inputs")
    now = ingested_months(tmp_path / "now")
    assert len(live_rows(log.read(), now, champion(exported), RUN).rows) == len(answered)
    with pytest.raises(RequestError, match="no logged prediction has a column 'sunspots'"):
        live_rows(answered.assign(ds=range(len(answered))), now, champion(exported), RUN)


def test_forecasts_of_another_target_are_left_out(
    log: PredictionLog, answered: pd.DataFrame, exported: Folders, tmp_path: Path
) -> None:
    now = ingested_months(tmp_path / "now")
    other = answered[["ds", "sunspots"]].rename(columns={"sunspots": "sales"})
    log.add(other, "another run", 1, "inputs")
    assert len(live_rows(log.read(), now, champion(exported), RUN).rows) == len(answered)
    with pytest.raises(RequestError, match="no logged prediction has a column 'sunspots'"):
        live_rows(log.read().drop(columns="sunspots"), now, champion(exported), RUN)

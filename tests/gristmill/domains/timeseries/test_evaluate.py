"""The model's scores stand beside the baselines', each computed from the predictions that are written."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.timeseries import forecasts
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import target_index
from gristmill.domains.timeseries.evaluate import evaluate, summarised
from gristmill.domains.timeseries.fits.ensemble import held_out_forecast
from gristmill.domains.timeseries.forecasts import read_forecast, read_predictions
from gristmill.domains.timeseries.intervals.calibration import calibrate, local_at
from gristmill.domains.timeseries.intervals.quantiles import intervals_of
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.naive import Drift, MovingAverage, Naive, SeasonalNaive
from gristmill.domains.timeseries.part_forecasts import baseline_forecasts
from gristmill.domains.timeseries.scores.backtest_scores import read_blocks
from gristmill.domains.timeseries.select import select
from gristmill.domains.timeseries.settings import Evaluate, Train
from gristmill.domains.timeseries.train import train
from gristmill.scores import Scores
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table
from helpers.eager import eagerly
from helpers.small_candidates import Tried
from helpers.small_runs import YARDSTICKS, Folders, assembled

pytest_plugins = ["helpers.small_runs", "helpers.small_candidates"]
pytestmark = pytest.mark.usefixtures("eager")

METRICS = {"mae", "rmse", "mse", "mape", "smape", "mase", "rmsse", "skill"}
OF_QUANTILES = {"wql", "pinball", "coverage", "width"}
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = [f"quantile {level}" for level in LEVELS]

Judge = Callable[..., tuple[Path, dict[str, int]]]

NAIVE, DRIFT = Naive(kind="naive"), Drift(kind="drift")


def judged(
    root: Path, data: Prepared, model: Any = None, how: Train | None = None, **settings: Any
) -> tuple[Path, dict[str, int]]:
    """Train a linear model on series and evaluate it below a folder; return that of evaluate, and the counts."""
    folders = [root / stage for stage in ("prepared", "trained", "evaluated")]
    for folder in folders:
        folder.mkdir()
    dataset.write(data, folders[0])
    with eagerly():
        train(
            model=model or Linear(kind="linear"),
            train=how or Train(),
            preprocess=folders[0],
            out=folders[1],
            scratch=root / "scratch",
            logs=root / "logs",
            on_epoch=lambda epoch: None,
        )
        chosen = Evaluate(**{"baselines": (NAIVE, DRIFT)} | settings)
        return folders[2], evaluate(evaluate=chosen, preprocess=folders[0], train=folders[1], out=folders[2])


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    return partial(judged, tmp_path)


@pytest.fixture(scope="module")
def of_quantiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Path]:
    """Series with a spike near their end, and the evaluation of a network that learned quantiles of them."""
    values = np.random.default_rng(0).normal(size=190)
    values[-5] += 30
    data = assembled(values, history=6, validation=60, test=60)
    how = Train(loss="quantile", quantiles=(0.1, 0.5, 0.9), epochs=3, batch_size=128)
    root = tmp_path_factory.mktemp("quantiles")
    return data, judged(root, data, model=Dense(kind="dense"), how=how, levels=(0.2, 0.5, 0.8))[0]


def test_predictions_have_a_row_a_window_and_step_and_a_column_a_forecaster(solved: Folders) -> None:
    data, predictions = dataset.read(solved["preprocess"]), read_table(solved["evaluate"] / "predictions.parquet")

    columns = predictions.columns.tolist()
    assert columns[:7] == ["part", "unique_id", "channel", "ds", "step", "y", "model"]
    assert set(columns[7:-9]) == {baseline.kind for baseline in YARDSTICKS.baselines}
    assert columns[-9:] == QUANTILES
    assert predictions["part"].unique().tolist() == ["validation", "test"]
    for part in ("validation", "test"):
        rows, positions = read_predictions(solved["evaluate"], part), target_index(data.origins(part), 2).ravel()
        assert rows["step"].tolist() == [1, 2] * len(data.origins(part))
        assert rows["ds"].tolist() == data.times[positions].tolist()
        assert np.array_equal(rows["y"], data.values[positions, 0])
        assert rows[QUANTILES].isna().all(axis=None) == (part == "validation")  # which calibrates them
    assert not predictions.drop(columns=QUANTILES).isna().any(axis=None)
    test = read_predictions(solved["evaluate"], "test")
    assert test["quantile 0.5"].equals(test["model"].rename("quantile 0.5"))
    assert (np.diff(test[QUANTILES], axis=1) >= 0).all()


def test_forecasts_are_those_of_the_network_and_the_baselines(solved: Folders) -> None:
    data = dataset.read(solved["preprocess"])

    for part in ("validation", "test"):
        rows, starts = read_predictions(solved["evaluate"], part), data.origins(part)
        model = np.asarray(saved_network.read(solved["train"])(data.histories(starts)))
        if part == "validation":  # on which the network was fitted too, later
            model = read_forecast(solved["train"] / "validation.parquet", (29, 2, 1))
        expected = {"model": model} | baseline_forecasts(data, part, YARDSTICKS.baselines)
        for name, forecast in expected.items():
            assert rows[name].to_numpy() == pytest.approx(forecast.ravel(), rel=1e-4), name


def test_scores_are_those_of_the_predictions(solved: Folders) -> None:
    data, scores = dataset.read(solved["preprocess"]), read_document(solved["evaluate"] / "scores.json")
    predictions = read_predictions(solved["evaluate"], "test")

    names = [name for name in predictions.columns[6:] if name not in QUANTILES]
    assert ["model", *scores["baselines"]] == names
    past = data.values[: data.part("test")[0, 0], 0].astype(np.float64)
    for name in names:
        found = scores["model"]["test"] if name == "model" else scores["baselines"][name]["test"]
        errors = predictions["y"] - predictions[name]
        assert set(found) == METRICS | OF_QUANTILES
        assert 0 < found["coverage"] <= 1
        assert found["mae"] == pytest.approx(np.mean(np.abs(errors)))
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
        assert found["mase"] == pytest.approx(np.mean(np.abs(errors)) / np.mean(np.abs(past[24:] - past[:-24])))
    test, truth = scores["model"]["test"], predictions["y"]
    low, high = predictions["quantile 0.1"], predictions["quantile 0.9"]
    assert test["coverage"] == pytest.approx(((low <= truth) & (truth <= high)).mean())
    assert test["width"] == pytest.approx((high - low).mean())
    losses = [
        np.mean(
            [(level - (value < bound)) * (value - bound) for value, bound in zip(truth, predictions[name], strict=True)]
        )
        for level, name in zip(LEVELS, QUANTILES, strict=True)
    ]
    assert test["pinball"] == pytest.approx(np.mean(losses))
    assert test["wql"] == pytest.approx(2 * np.mean(losses) / truth.abs().mean())
    assert scores["model"]["validation"]["coverage"] is None  # calibrated there, so it says nothing
    assert scores["level"] == 0.8


def test_the_best_baseline_of_the_test_part_is_the_reference_and_skill_is_against_the_naive_one(
    solved: Folders,
) -> None:
    scores = read_document(solved["evaluate"] / "scores.json")
    best = min(scores["baselines"], key=lambda name: scores["baselines"][name]["test"]["mae"])

    assert scores["best_baseline"] == best
    assert scores["headline"] == {
        "metric": "mae",
        "model": scores["model"]["test"]["mae"],
        "baseline": scores["baselines"][best]["test"]["mae"],
    }
    for part in ("validation", "test"):
        reference = scores["baselines"]["naive"][part]["mae"]
        assert scores["baselines"]["naive"][part]["skill"] == 0
        assert scores["model"][part]["skill"] == pytest.approx(1 - scores["model"][part]["mae"] / reference)


def test_a_model_is_compared_with_the_naive_forecast_of_a_longer_season(judge: Judge) -> None:
    """Two values a day, and a shape that repeats every week."""
    random = np.random.default_rng(0)
    values = np.tile(random.normal(size=14), 12) + random.normal(0, 0.1, 14 * 12)
    halves = assembled(values, history=4, horizon=2, test=28, season=2)
    data = replace(halves, layout=replace(halves.layout, frequency="12h"))

    out, _ = judge(data, baselines=(NAIVE, SeasonalNaive(kind="seasonal_naive")))

    scores = Scores.read(out)
    assert list(scores.baselines) == ["naive", "seasonal_naive", "seasonal_naive-14"]
    assert scores.best_baseline == "seasonal_naive-14"
    assert scores.headline.baseline == scores.baselines["seasonal_naive-14"]["test"]["mae"]
    assert not scores.headline.beats_baseline
    assert scores.baselines["seasonal_naive"]["test"]["mae"] > scores.headline.model  # which the model would beat


def test_scores_that_may_mislead_come_with_warnings(judge: Judge) -> None:
    noise = np.random.default_rng(0).normal(size=200)
    noise[160:] /= 1000

    out, _ = judge(assembled(noise, horizon=2, validation=40, test=40))

    coverage, constant = Scores.read(out).warnings
    assert coverage.startswith("80% prediction intervals cover 9")
    assert coverage.endswith(" of the values in 39 test windows (20 do not overlap); this may be chance")
    assert constant.startswith("the test set is nearly constant")


def test_steps_are_scored_by_themselves(solved: Folders) -> None:
    table, predictions = read_table(solved["evaluate"] / "scores.parquet"), read_predictions(solved["evaluate"], "test")

    for step in (1, 2):
        rows = predictions[predictions["step"] == step]
        chosen = (table["by"] == "step") & (table["group"] == str(step)) & (table["part"] == "test")
        found = table[chosen].set_index("forecaster").loc["model", "mae"]
        assert found == pytest.approx((rows["y"] - rows["model"]).abs().mean())


def test_quantiles_are_calibrated_on_validation_alone(solved: Folders) -> None:
    data, folder = dataset.read(solved["preprocess"]), solved["evaluate"]
    rows, starts = read_predictions(folder, "validation"), data.origins("validation")
    truth, made = (rows[name].to_numpy().reshape(-1, 2, 1) for name in ("y", "model"))

    kept = intervals_of(read_document(folder / "intervals.json"))

    by_hand = calibrate(truth, made, local_at(data, starts, kept.lag), LEVELS, kept.lag, [True])
    assert kept.lag in (1, 24)
    assert kept.factors == pytest.approx(by_hand.factors, rel=1e-5)
    assert (kept.levels, kept.windows) == (LEVELS, 29)
    test = read_predictions(folder, "test")
    scale = local_at(data, data.origins("test"), kept.lag, kept.empty)
    expected = kept.around(test["model"].to_numpy().reshape(-1, 2, 1), scale)
    assert test[QUANTILES].to_numpy() == pytest.approx(expected.reshape(-1, 9))
    assert read_document(folder / "scores.json")["calibrated_on"] == "validation"


def test_quantiles_of_a_baseline_are_calibrated_on_its_own_errors(solved: Folders) -> None:
    data, folder = dataset.read(solved["preprocess"]), solved["evaluate"]
    lag = intervals_of(read_document(folder / "intervals.json")).lag
    (seen, *calibration), (scale, *test) = (
        (
            local_at(data, data.origins(part), lag, 1e-9),
            *(read_predictions(folder, part)[name].to_numpy().reshape(-1, 2, 1) for name in ("y", "seasonal_naive")),
        )
        for part in ("validation", "test")
    )

    quantiles = calibrate(*calibration, seen, LEVELS, lag, [True]).around(test[1], scale)

    covered = (quantiles[..., 0] <= test[0]) & (test[0] <= quantiles[..., -1])
    scores = read_document(folder / "scores.json")["baselines"]["seasonal_naive"]["test"]
    assert scores["coverage"] == pytest.approx(covered.mean())
    assert scores["width"] == pytest.approx((quantiles[..., -1] - quantiles[..., 0]).mean())


@pytest.mark.slow
def test_scores_and_intervals_of_validation_do_not_change_when_values_of_test_do(
    solved: Folders, tmp_path: Path
) -> None:
    folder, out = tmp_path / "changed", tmp_path / "out"
    shutil.copytree(solved["preprocess"], folder)
    out.mkdir()
    data = dataset.read(folder)
    values = data.values.copy()
    values[data.part("test")[0, 0] :] += 1000
    dataset.write(replace(data, values=values), folder)

    evaluate(evaluate=YARDSTICKS, preprocess=folder, train=solved["train"], out=out)

    before, after = (read_document(place / "scores.json") for place in (solved["evaluate"], out))
    assert after["model"]["validation"] == before["model"]["validation"]
    for baseline in before["baselines"]:
        assert after["baselines"][baseline]["validation"] == before["baselines"][baseline]["validation"]
    assert after["model"]["test"]["mae"] != before["model"]["test"]["mae"]
    assert (out / "intervals.json").read_bytes() == (solved["evaluate"] / "intervals.json").read_bytes()


def test_without_a_validation_part_the_test_part_alone_is_scored_and_no_interval_is_known(judge: Judge) -> None:
    values = np.random.default_rng(0).normal(size=90).cumsum()

    folder, counts = judge(assembled(values, history=6, validation=0, test=20))

    assert counts == {"test_windows": 20}
    scores = read_document(folder / "scores.json")
    assert list(scores["model"]) == ["test"]
    assert set(scores["model"]["test"]) == METRICS
    assert {part for by_part in scores["baselines"].values() for part in by_part} == {"test"}
    assert not (folder / "intervals.json").exists()
    assert not (folder / "anomalies.parquet").exists()


def test_a_spike_in_the_test_part_is_flagged(judge: Judge) -> None:
    values = 50 + 10 * np.sin(np.arange(200) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=200) / 10
    values[180] += 15

    folder, _ = judge(assembled(values, history=12, horizon=2, validation=60, test=40), anomaly_level=0.999)

    flagged = read_table(folder / "anomalies.parquet")
    assert 15 - 1 < (flagged["y"] - flagged["expected"]).max() < 15 + 1
    assert assembled(values).times[180] in set(flagged["ds"])
    told = read_document(folder / "scores.json")["anomalies"]
    assert told["flagged"] == len(flagged) < 4
    assert told["level"] == 0.999


def test_segments_are_told_for_every_series(judge: Judge) -> None:
    random = np.random.default_rng(0)
    data = assembled(
        *(random.normal(size=length) for length in (60, 50)), history=6, validation=8, test=10, starts=[0, 10]
    )
    hours = pd.date_range("2024-03-30", periods=len(data.times), freq="h", tz="Europe/Berlin")
    data = replace(data, times=pd.Index(hours))

    folder, _ = judge(data)

    segments = read_table(folder / "segments.parquet")
    assert segments.columns.tolist() == ["unique_id", "begin", "end", "level", "slope", "deviation"]
    for name, (begin, end) in zip(data.ids, data.bounds, strict=True):
        own = segments[segments["unique_id"] == name]
        assert own["begin"].iloc[0] == data.times[begin]
        assert own["end"].iloc[-1] == data.times[end - 1]
    assert read_document(folder / "scores.json")["segments"] == {"found": len(segments), "series": 2}


def test_of_many_series_some_are_searched(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.evaluate._MAX_SERIES_SEARCHED", 2)
    random = np.random.default_rng(0)

    folder, _ = judge(assembled(*random.normal(size=(5, 60)), history=6, validation=8, test=10), anomaly_level=0.5)

    for name in ("segments", "anomalies"):
        assert set(read_table(folder / f"{name}.parquet")["unique_id"]) == {"series 0", "series 4"}
        assert read_document(folder / "scores.json")[name]["series"] == 2


@pytest.mark.slow
def test_a_backtest_calibrates_the_intervals_and_is_told(rolled: Folders) -> None:
    scores, blocks = (
        read_document(rolled["evaluate"] / "scores.json"),
        read_table(rolled["evaluate"] / "backtest.parquet"),
    )

    assert scores["calibrated_on"] == "backtest"
    assert intervals_of(read_document(rolled["evaluate"] / "intervals.json")).windows == 2 * 14 * 10
    assert (scores["backtest"]["windows"], scores["backtest"]["seeds"]) == (2, 2)
    model = blocks[blocks["forecaster"] == "model"]
    assert scores["backtest"]["forecasters"]["model"]["mae"]["mean"] == pytest.approx(model["mae"].mean())
    assert set(scores["backtest"]["forecasters"]) == set(blocks["forecaster"])
    assert blocks["end"].max() < read_predictions(rolled["evaluate"], "test")["ds"].min()


@pytest.mark.slow
def test_quantiles_that_a_network_learns_are_kept_and_those_of_baselines_are_calibrated(
    of_quantiles: tuple[Prepared, Path],
) -> None:
    data, folder = of_quantiles

    scores = read_document(folder / "scores.json")
    assert (scores["level"], scores["calibrated_on"]) == (0.8, None)
    assert set(scores["model"]["test"]) == METRICS | OF_QUANTILES
    assert scores["baselines"]["naive"]["test"]["coverage"] > 0.5
    table = read_table(folder / "predictions.parquet")
    names = [name for name in table if name.startswith("quantile")]
    assert names == ["quantile 0.1", "quantile 0.5", "quantile 0.9"]
    network = saved_network.read(folder.with_name("trained"))
    learned = np.asarray(network(data.histories(data.origins("test")))).reshape(-1, 3)
    assert table.loc[table["part"] == "test", names].to_numpy() == pytest.approx(learned, rel=1e-5)
    assert table[names].notna().all(axis=None)
    assert not (folder / "intervals.json").exists()


@pytest.mark.slow
def test_what_a_network_of_quantiles_did_not_expect_is_flagged(of_quantiles: tuple[Prepared, Path]) -> None:
    """By how far values lie from the median, as validation calibrates it."""
    data, folder = of_quantiles

    flagged = read_table(folder / "anomalies.parquet")
    assert data.times[-5] in flagged["ds"].tolist()
    assert read_document(folder / "scores.json")["anomalies"]["flagged"] == len(flagged)


def test_series_and_channels_of_different_units_are_compared_by_the_scaled_error(judge: Judge) -> None:
    random = np.random.default_rng(0)
    tables = [random.normal(size=(60, 2)).cumsum(axis=0) * size for size in (1, 1000)]

    folder, _ = judge(assembled(*tables, history=6, validation=10, test=10))

    scores, table = read_document(folder / "scores.json"), read_table(folder / "scores.parquet")
    assert scores["headline"]["metric"] == "mase"
    assert scores["headline"]["model"] == scores["model"]["test"]["mase"]
    best = min(scores["baselines"], key=lambda name: scores["baselines"][name]["test"]["mase"])
    assert scores["best_baseline"] == best
    assert set(table["by"]) == {"all", "channel", "series"}


@pytest.mark.parametrize(("count", "metric"), [(1, "rmse"), (2, "rmsse")])
def test_series_with_many_zeros_are_compared_by_squared_errors(judge: Judge, count: int, metric: str) -> None:
    random = np.random.default_rng(0)
    tables = [(random.random(90) < 0.3) * random.integers(1, 9, 90).astype(float) for _ in range(count)]

    folder, _ = judge(assembled(*tables, history=6, validation=10, test=10))

    scores = read_document(folder / "scores.json")
    assert scores["headline"]["metric"] == metric
    assert scores["headline"]["model"] == scores["model"]["test"][metric]
    assert {"rmse", "rmsse"} <= set(scores["shown"])


def test_a_missing_score_is_null(judge: Judge) -> None:
    values = np.r_[np.random.default_rng(0).normal(size=70), np.zeros(10)]

    folder, _ = judge(assembled(values, history=6, validation=10, test=10))

    scores = read_document(folder / "scores.json")
    assert scores["model"]["test"]["mape"] is None
    assert scores["baselines"]["naive"]["test"]["mape"] is None
    table = read_table(folder / "scores.parquet")
    assert summarised(table)["model"] == scores["model"]
    assert set(scores["model"]["test"]) - OF_QUANTILES == METRICS


@pytest.mark.fault(34)
def test_a_score_that_is_no_number_is_neither_best_nor_in_the_way() -> None:
    rows = [
        {"part": "test", "by": "all", "group": "", "forecaster": name, "examples": 9, "mae": mae, "mase": mae}
        for name, mae in {"model": np.nan, "naive": np.nan, "ar": 2.0, "drift": 3.0}.items()
    ]

    found = summarised(pd.DataFrame(rows))

    assert (found["best_baseline"], found["headline"]["baseline"]) == ("ar", 2.0)
    assert np.isnan(found["headline"]["model"])  # which lists can show
    assert [name for name, _ in Scores.model_validate(found).best_first("test")] == ["model", "ar", "drift", "naive"]


def test_a_baseline_that_only_the_past_of_test_is_long_enough_for_is_scored_there_alone(
    solved: Folders, tmp_path: Path
) -> None:
    """140 values are known where validation begins, 170 where test does."""
    longer = Evaluate(baselines=(MovingAverage(kind="moving_average", length=150),))
    counts = evaluate(evaluate=longer, preprocess=solved["preprocess"], train=solved["train"], out=tmp_path)

    assert counts == {"validation_windows": 29, "test_windows": 29}
    scores = read_document(tmp_path / "scores.json")
    assert list(scores["baselines"]["naive"]) == ["validation", "test"]  # which skill is against, named or not
    assert list(scores["baselines"]["moving_average"]) == ["test"]
    found = Scores.model_validate(scores)
    assert [name for name, _ in found.best_first("validation")] == ["model", "naive"]
    for part, missing in (("validation", True), ("test", False)):
        assert read_predictions(tmp_path, part)["moving_average"].isna().all() == missing


WEIGHTS = {"seasonal_naive": 0.4, "dense": 0.6}
WITH_DRIFT = Evaluate(baselines=(NAIVE, SeasonalNaive(kind="seasonal_naive"), DRIFT))

Auto = tuple[Prepared, dict[str, CandidateArtifacts], Path, Path]  # and the folders of select and evaluate


@pytest.fixture(scope="module", params=[False, True], ids=["validation", "backtest"])
def auto(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, tried: Tried) -> Auto:
    """Candidates of which one fails, an average of two of them, and its evaluation; with and without a backtest."""
    root, (data, prepared, candidates) = tmp_path_factory.mktemp("auto"), tried
    candidates = {name: one for name, one in candidates.items() if name != "moving_average"}
    selected, out = root / "selected", root / "evaluated"
    for folder in (selected, out):
        folder.mkdir()
    if not request.param:
        candidates = {name: replace(one, backtest=()) for name, one in candidates.items()}
    with eagerly():
        select(select=Select(weights=WEIGHTS), preprocess=prepared, candidates=candidates, out=selected)
        blocks = [folder for one in candidates.values() for folder in one.backtest]
        measured: dict[str, float] = {}
        evaluate(
            evaluate=WITH_DRIFT,
            preprocess=prepared,
            train=selected,
            candidates=candidates,
            backtest=blocks[:0],  # those of candidates are theirs
            out=out,
            microseconds=measured,
        )
    assert list(measured) == ["naive", "seasonal_naive", "linear", "dense"]
    return data, candidates, selected, out


@pytest.mark.slow
def test_every_candidate_that_did_not_fail_is_forecast_and_every_baseline_once(auto: Auto) -> None:
    columns = read_table(auto[3] / "predictions.parquet").columns.tolist()

    names = ["model", "naive", "seasonal_naive", "linear", "dense", "drift"]
    assert [name for name in columns if name in names] == [columns[6], *names[1:]]
    assert len(columns) == 6 + len(names) + len(LEVELS)  # labels, forecasters, and the quantiles


@pytest.mark.slow
@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_model_is_the_weighted_average_of_its_members(auto: Auto, part: str) -> None:
    data, candidates, _, out = auto
    rows = read_predictions(out, part)

    average = sum(weight * rows[name] for name, weight in WEIGHTS.items())
    assert rows["model"].to_numpy() == pytest.approx(average.to_numpy(), rel=1e-5)
    if part == "validation":  # of fits that did not see it
        for name in ("linear", "dense"):
            honest = held_out_forecast(candidates[name].train, data)
            assert rows[name].to_numpy() == pytest.approx(honest.ravel(), rel=1e-6)


@pytest.mark.slow
def test_many_series_are_scored_a_block_at_a_time(
    auto: Auto, tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, candidates, selected, out = auto
    monkeypatch.setattr(forecasts, "WINDOWS_PER_CALL", 8)  # of 11 or more of each series

    evaluate(evaluate=WITH_DRIFT, preprocess=tried.prepared, train=selected, candidates=candidates, out=tmp_path)

    intervals = (intervals_of(read_document(folder / "intervals.json")) for folder in (tmp_path, out))
    assert np.allclose(*(one.factors for one in intervals))
    for name, keys in (("predictions", []), ("scores", ["part", "by", "group", "forecaster"])):
        found, expected = (read_table(folder / f"{name}.parquet") for folder in (tmp_path, out))
        pairs = [table.sort_values(keys, ignore_index=True) if keys else table for table in (found, expected)]
        pd.testing.assert_frame_equal(*pairs, rtol=1e-4, atol=1e-6)


def test_scores_tell_baselines_other_candidates_and_what_was_selected(auto: Auto) -> None:
    data, candidates, _, out = auto
    document = read_document(out / "scores.json")
    scores = Scores.model_validate(document)

    assert set(scores.baselines) == {"naive", "seasonal_naive", "drift"}
    assert set(scores.candidates) == {"linear", "dense"}
    assert scores.best_baseline in scores.baselines
    assert scores.selected
    assert (scores.selected.tried, scores.selected.failed) == (len(candidates), 1)
    assert scores.selected.members == pytest.approx(dict(sorted(WEIGHTS.items(), key=lambda item: -item[1])))
    rows = read_predictions(out, "test")
    for name in ("linear", "dense"):
        test = scores.candidates[name]["test"]
        assert test["mae"] == pytest.approx((rows["y"] - rows[name]).abs().mean())
    for by_part in (scores.model, *scores.baselines.values(), *scores.candidates.values()):
        assert None not in {by_part["test"][name] for name in OF_QUANTILES}
    assert len(data.ids) == 2


def test_intervals_are_calibrated_on_held_out_forecasts_of_the_average(auto: Auto) -> None:
    data, candidates, _, out = auto
    scores, kept = read_document(out / "scores.json"), intervals_of(read_document(out / "intervals.json"))

    if not candidates["linear"].backtest:
        assert (scores["calibrated_on"], kept.windows) == ("validation", len(data.origins("validation")))
        assert "backtest" not in scores
        return
    blocks = {name: read_blocks(data, candidates[name].backtest) for name in WEIGHTS}
    assert scores["calibrated_on"] == "backtest"
    assert kept.windows == sum(len(block.forecasts.starts) for block in blocks["dense"])
    assert set(scores["backtest"]["forecasters"]) == {"model", "naive", "seasonal_naive", "linear", "dense", "drift"}
    errors = []
    for seasonal, dense in zip(blocks["seasonal_naive"], blocks["dense"], strict=True):
        average = 0.4 * seasonal.forecasts.by_name["model"] + 0.6 * dense.forecasts.by_name["model"]
        errors.append(np.abs(average - dense.forecasts.truth).mean())
    told = scores["backtest"]["forecasters"]["model"]["mae"]
    assert told["mean"] == pytest.approx(np.mean(errors))
    assert told["over_windows"] == pytest.approx(np.std(errors))

"""The model's scores stand beside the baselines', each computed from the predictions that are written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gristmill import network as networks
from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.baselines import autoregression, baselines, moving_average, naive, seasonal_naive
from gristmill.timeseries.evaluate import evaluate
from gristmill.timeseries.models.linear import Linear
from gristmill.timeseries.prepared import Prepared
from gristmill.timeseries.settings import Evaluate, Train
from gristmill.timeseries.train import train
from gristmill.timeseries.windows import target_index

pytest_plugins = ["small_runs"]

Folders = dict[str, Path]

NAMES = ["model", "naive", "moving average 3", "seasonal naive 24", "autoregression"]
METRICS = {"mae", "rmse", "mape", "mase", "skill"}


def test_predictions_have_a_row_a_window_and_step_and_a_column_a_forecaster(solved: Folders) -> None:
    data, predictions = prepared.read(solved["preprocess"]), read_table(solved["evaluate"] / "predictions.parquet")

    assert predictions.columns.tolist() == ["part", "ds", "step", "y", *NAMES]
    assert predictions["part"].unique().tolist() == ["validation", "test"]
    for part in ("validation", "test"):
        rows, positions = predictions[predictions["part"] == part], target_index(data.origins(part), 2).ravel()
        assert rows["step"].tolist() == [1, 2] * len(data.origins(part))
        assert rows["ds"].tolist() == data.times[positions].tolist()
        assert np.array_equal(rows["y"], data.values[positions])
    assert not predictions.isna().any(axis=None)


def test_forecasts_are_those_of_the_network_and_the_baselines(solved: Folders) -> None:
    data, predictions = prepared.read(solved["preprocess"]), read_table(solved["evaluate"] / "predictions.parquet")
    series = data.values.astype(np.float64)

    for part in ("validation", "test"):
        rows, starts = predictions[predictions["part"] == part], data.origins(part)
        expected = {
            "model": networks.read(solved["train"]).predict(data.histories(part), verbose=0),
            "naive": naive(series, starts, 2),
            "moving average 3": moving_average(series, starts, 2, 3),
            "seasonal naive 24": seasonal_naive(series, starts, 2, 24),
            "autoregression": autoregression(series, starts, 2, data.layout.parts[part][0], 3),
        }
        for name, forecast in expected.items():
            assert rows[name].to_numpy() == pytest.approx(forecast.ravel(), rel=1e-4), name


def test_scores_are_those_of_the_predictions(solved: Folders) -> None:
    data, scores = prepared.read(solved["preprocess"]), read_document(solved["evaluate"] / "scores.json")
    predictions = read_table(solved["evaluate"] / "predictions.parquet")

    assert set(scores) == {"model", "baselines", "best_baseline", "headline"}
    assert list(scores["baselines"]) == NAMES[1:]
    for part in ("validation", "test"):
        rows, known = predictions[predictions["part"] == part], data.values[: data.layout.parts[part][0]]
        for name in NAMES:
            found = scores["model"][part] if name == "model" else scores["baselines"][name][part]
            errors = rows["y"] - rows[name]
            assert set(found) == METRICS
            assert found["mae"] == pytest.approx(np.mean(np.abs(errors)))
            assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
            assert found["mase"] == pytest.approx(np.mean(np.abs(errors)) / np.mean(np.abs(np.diff(known))))


def test_the_best_baseline_of_the_test_part_is_the_reference(solved: Folders) -> None:
    scores = read_document(solved["evaluate"] / "scores.json")
    best = min(scores["baselines"], key=lambda name: scores["baselines"][name]["test"]["mae"])

    assert scores["best_baseline"] == best
    assert scores["headline"] == {
        "metric": "mae",
        "model": scores["model"]["test"]["mae"],
        "baseline": scores["baselines"][best]["test"]["mae"],
    }
    for part in ("validation", "test"):
        reference = scores["baselines"][best][part]["mae"]
        assert scores["baselines"][best][part]["skill"] == 0
        assert scores["model"][part]["skill"] == pytest.approx(1 - scores["model"][part]["mae"] / reference)


def test_counts_are_of_the_windows(solved: Folders, tmp_path: Path) -> None:
    counts = evaluate(evaluate=Evaluate(), preprocess=solved["preprocess"], train=solved["train"], out=tmp_path)

    assert counts == {"validation_windows": 29, "test_windows": 29}  # 30 positions each, horizon 2
    assert list(read_document(tmp_path / "scores.json")["baselines"]) == ["naive", "moving average 3", "autoregression"]


def test_scores_of_validation_do_not_change_when_values_of_test_do(solved: Folders, tmp_path: Path) -> None:
    folder, out = tmp_path / "changed", tmp_path / "out"
    shutil.copytree(solved["preprocess"], folder)
    out.mkdir()
    data = prepared.read(folder)
    values = data.values.copy()
    values[data.layout.parts["test"][0] :] += 1000
    prepared.write(Prepared(data.times, values, data.layout), folder)

    evaluate(evaluate=Evaluate(season=24, ar_order=3), preprocess=folder, train=solved["train"], out=out)

    before, after = (read_document(place / "scores.json") for place in (solved["evaluate"], out))
    for name in ("mae", "rmse", "mape", "mase"):  # skill is against the best baseline of the test part
        assert after["model"]["validation"][name] == before["model"]["validation"][name]
        for baseline in before["baselines"]:
            assert after["baselines"][baseline]["validation"][name] == before["baselines"][baseline]["validation"][name]
        assert after["model"]["test"][name] != before["model"]["test"][name]


@pytest.mark.parametrize(
    "longer", [{"moving_average": 150}, {"season": 150}, {"ar_order": 72}], ids=["moving average", "season", "ar order"]
)
def test_a_baseline_that_only_the_past_of_test_is_long_enough_for_is_scored_in_no_part(
    solved: Folders, tmp_path: Path, longer: dict[str, int]
) -> None:
    """140 values are known where validation begins, 170 where test does."""
    counts = evaluate(evaluate=Evaluate(**longer), preprocess=solved["preprocess"], train=solved["train"], out=tmp_path)

    assert counts == {"validation_windows": 29, "test_windows": 29}
    scores = read_document(tmp_path / "scores.json")
    assert list(scores["baselines"]) == list(baselines(Evaluate(**longer), 140))
    assert all(list(by_part) == list(scores["model"]) for by_part in scores["baselines"].values())
    assert not read_table(tmp_path / "predictions.parquet").isna().any(axis=None)


def test_without_a_validation_part_the_test_part_alone_is_scored(prepare: Callable[..., Path], tmp_path: Path) -> None:
    folder = prepare(np.random.default_rng(0).normal(size=90).cumsum(), history=6, validation=0, test=20)
    out = tmp_path / "out"
    out.mkdir()
    train(
        model=Linear(kind="linear"),
        train=Train(),
        preprocess=folder,
        out=out,
        scratch=tmp_path / "scratch",
        on_epoch=lambda epoch: None,
    )

    assert evaluate(evaluate=Evaluate(ar_order=2), preprocess=folder, train=out, out=out) == {"test_windows": 20}
    scores = read_document(out / "scores.json")
    assert list(scores["model"]) == ["test"]
    assert [list(by_part) for by_part in scores["baselines"].values()] == [["test"]] * 3

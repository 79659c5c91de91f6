"""One pipeline that asks for everything a time series can have, run by the command and read as a user reads it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from gristmill.keys import digest_of_file
from gristmill.project.project import Project
from helpers.support import Command, Forked, assert_all_whole, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

DAYS = 120
HISTORY, HORIZON, PART = 14, 3, 20  # PART: days of validation, and of test
STORES = ["North", "South"]
TARGETS = ["visitors", "sales"]
BLOCKS = ["backtest 1/1", "backtest 1/2", "backtest 2/1", "backtest 2/2"]
KNOWN = [*(f"weekday {day}" for day in range(7)), "week sin 1", "week cos 1"]

TOML = f"""
[pipelines.shop]
domain = "timeseries"
description = "Two shops, visitors and sales"

[pipelines.shop.source]
kind = "csv"
path = "shop.csv"

[pipelines.shop.ingest]
time = "day"
series = "store"
target = ["visitors", "sales"]
inputs = "temperature"

[pipelines.shop.preprocess]
history = {HISTORY}
horizon = {HORIZON}
validation = {PART}
test = {PART}
harmonics = [{{ period = "week" }}]
calendar = ["weekday"]

[pipelines.shop.model]
kind = "dense"
units = [8]

[pipelines.shop.train]
epochs = 12
batch_size = 16
learning_rate = 0.01
loss = "quantile"

[pipelines.shop.backtest]
windows = 2
size = 10
seeds = 2

[pipelines.shop.export]
refit = true
"""


def shop() -> pd.DataFrame:
    """Return the rows of two shops, which differ in level, with a week and noise."""
    noise = np.random.default_rng(7)
    days = pd.date_range("2026-01-01", periods=DAYS)
    frames = []
    for level, store in enumerate(STORES, 1):
        visitors = (100 * level + 20 * (days.day_of_week >= 5) + noise.normal(0, 5, DAYS)).round(1)
        columns = {"visitors": visitors, "sales": (3 * visitors + noise.normal(0, 9, DAYS)).round(1)}
        frames.append(
            pd.DataFrame({"day": days, "store": store, **columns, "temperature": noise.normal(15, 4, DAYS).round(1)})
        )
    return pd.concat(frames)


@dataclass(frozen=True)
class Ran:
    """The project after its run."""

    root: Path
    record: dict[str, Any]  # what the run printed
    folders: dict[str, Path]  # of the artifacts, by stage and block

    @property
    def scores(self) -> dict[str, Any]:
        scores: dict[str, Any] = self.record["scores"]
        return scores

    def table(self, stage: str, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folders[stage] / name)

    def document(self, stage: str, name: str) -> Any:
        return json.loads((self.folders[stage] / name).read_text())


def gristmill(root: Path, api: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from gristmill.cli.app import main; main()", *words],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def ran_once(tmp_path_factory: pytest.TempPathFactory, forked: Forked) -> Ran:
    """The project, run once. Only reports and forecasts may be written to it."""
    root = tmp_path_factory.mktemp("shop")
    shop().to_csv(root / "shop.csv", index=False)
    (root / "pipelines.toml").write_text(TOML)
    assert forked.run(root, "run", "shop", "--json") == 0, (root / "err").read_text()
    steps = Project.open(root).plan("shop")
    return Ran(
        root,
        json.loads((root / "out").read_text()),
        {step.stage: step.artifact.path for step in steps if step.artifact},
    )


@pytest.fixture
def ran(ran_once: Ran, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The project that was run; its folder is the current one."""
    monkeypatch.chdir(ran_once.root)
    return ran_once


def test_every_stage_and_every_block_of_the_backtest_is_an_artifact(ran: Ran, command: Command) -> None:
    assert list(ran.record["stages"]) == ["ingest", "preprocess", "train", *BLOCKS, "evaluate", "refit", "export"]
    assert not any(stage["cached"] for stage in ran.record["stages"].values())
    assert len(set(ran.folders.values())) == 10
    assert command("verify").out == "10 artifacts verified, 0 damaged.\n"
    assert_all_whole(ran.root / "data/store")


def test_a_second_run_does_nothing(ran: Ran) -> None:
    def written() -> list[tuple[Path, int]]:
        files = (path for path in (ran.root / "data/store").rglob("*") if path.is_file() and path.parent.name != "memo")
        return sorted(
            (path, path.stat().st_mtime_ns) for path in files
        )  # a young file is remembered once it has rested

    before = written()

    again = gristmill(ran.root, "http://127.0.0.1:9/api", "run", "shop")  # nobody answers there, and nobody is asked

    assert (again.returncode, again.stdout, again.stderr) == (0, "shop: all fresh, nothing to do\n", "")
    assert written() == before
    assert [record.id for record in records(ran.root, "shop")] == [ran.record["id"]]


def test_show_tells_the_scores_that_the_predictions_give(ran: Ran, command: Command) -> None:
    shown = command("show", "shop", "--json").json

    assert shown["run"]["id"] == ran.record["id"]
    assert shown["scores"] == ran.scores
    assert set(shown["logs"]) == {"train", *BLOCKS, "refit"}
    predictions = ran.table("evaluate", "predictions.parquet").query("part == 'test'")
    assert len(predictions) == len(STORES) * (PART - HORIZON + 1) * HORIZON * len(TARGETS)
    scores = shown["scores"]["model"]["test"]
    error = (predictions["y"] - predictions["model"]).abs().mean()
    naive = (predictions["y"] - predictions["naive"]).abs().mean()
    assert scores["mae"] == pytest.approx(error)
    assert scores["skill"] == pytest.approx(1 - error / naive)
    assert scores["skill"] > 0  # it is shown the weekday, which the naive forecast is not
    inside = predictions["y"].between(predictions["quantile 0.05"], predictions["quantile 0.95"])
    assert scores["coverage"] == pytest.approx(inside.mean())
    assert 0.5 < scores["coverage"] < 1
    assert ran.scores["level"] == pytest.approx(0.95 - 0.05)
    assert ran.scores["headline"]["metric"] == "mase"  # visitors and sales have no unit in common
    groups = ran.table("evaluate", "scores.parquet").query("part == 'test' and forecaster == 'model'")
    assert groups.groupby("by")["group"].apply(list).to_dict() == {
        "all": [""],
        "channel": TARGETS,
        "series": STORES,
        "step": ["1", "2", "3"],
    }


def test_the_backtest_has_a_score_for_every_block_and_seed(ran: Ran) -> None:
    blocks = ran.table("evaluate", "backtest.parquet").query("forecaster == 'model'")

    assert blocks[["window", "seed"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert blocks["mae"].nunique() == 4
    first = pd.Timestamp("2026-01-01")
    assert blocks["begin"].tolist() == [first + pd.Timedelta(days=DAYS - PART - size) for size in (10, 10, 20, 20)]
    told = ran.scores["backtest"]
    assert (told["windows"], told["seeds"]) == (2, 2)
    assert told["forecasters"]["model"]["mae"]["mean"] == pytest.approx(blocks["mae"].mean())


def test_the_network_trained_on_everything_is_exported_with_the_scores_of_the_judged_one(ran: Ran) -> None:
    import keras

    scores = ran.document("export", "scores.json")

    assert scores["weights"] == {
        "judged": digest_of_file(ran.folders["train"] / "weights.npz"),
        "exported": digest_of_file(ran.folders["refit"] / "weights.npz"),
    }
    assert scores["weights"]["judged"] != scores["weights"]["exported"]
    assert scores["model"] == ran.scores["model"]
    exported = keras.models.load_model(ran.folders["export"] / "model.keras").variables
    with np.load(ran.folders["refit"] / "weights.npz", allow_pickle=False) as refit:
        assert len(exported) == len(refit.files)
        assert all(np.array_equal(one.value, refit[name]) for one, name in zip(exported, sorted(refit), strict=True))
    signature = ran.document("export", "signature.json")
    assert signature["input"]["columns"] == [*TARGETS, "temperature", *KNOWN]
    assert signature["output"]["columns"] == [f"{name} quantile {at}" for name in TARGETS for at in (0.05, 0.5, 0.95)]


def test_the_report_shows_groups_backtest_and_lineage(ran: Ran, command: Command) -> None:
    said = command("report", "shop")

    assert (said.status, said.err) == (0, "report     started\n")
    page = Path(said.out.strip()).read_text()
    for heading in (
        "Scores",
        "By step of the horizon",
        "By channel",
        "By series",
        "Backtest",
        "Training",
        "Refit",
        "Data",
    ):
        assert f"<h2>{heading}</h2>" in page
    for text in ("Two shops, visitors and sales", *STORES, *TARGETS, "each forecast by 2 networks trained", *BLOCKS):
        assert text in page


def test_predict_continues_every_series_and_target_with_an_interval(ran: Ran, command: Command) -> None:
    said = command("-q", "predict", "shop", "--output", "ahead.csv")

    assert (said.status, said.err) == (0, "")
    table = pd.read_csv(ran.root / "ahead.csv", parse_dates=["ds"])
    columns = [f"{name}{end}" for name in TARGETS for end in ("", *(f" quantile {at}" for at in (0.05, 0.5, 0.95)))]
    assert list(table.columns) == ["unique_id", "ds", *columns]
    assert table["unique_id"].tolist() == [store for store in STORES for _ in range(HORIZON)]
    last = pd.Timestamp("2026-01-01") + pd.Timedelta(days=DAYS - 1)
    assert table["ds"].tolist() == [last + pd.Timedelta(days=step) for _ in STORES for step in (1, 2, 3)]
    for name in TARGETS:
        level = table.groupby("unique_id")[name].mean()
        assert 1.5 < level["South"] / level["North"] < 2.5  # each near its own: South has twice the visitors
        assert (table[f"{name} quantile 0.05"] < table[f"{name} quantile 0.95"]).all()
    assert len(command("predict", "shop", "--steps", "7").out.splitlines()) == 1 + 7 * len(STORES)

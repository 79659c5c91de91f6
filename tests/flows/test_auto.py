"""A pipeline with candidates by the real command: one network of the best, what is tried once, and what is left."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from conftest import ONE_BASELINE, SMALL
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.forecasts import quantile_columns, read_predictions
from gristmill.errors import WorkError
from gristmill.execution.run import Run
from gristmill.export import bundle
from gristmill.project.project import Project
from gristmill.project.result import Result
from gristmill.runs.records import Record
from gristmill.settings.kinds import kinds
from gristmill.training import saved_network
from gristmill.training.deadline import Deadline
from gristmill.util.table_io import read_document
from gristmill.workers import pool
from gristmill.workers.process import Unit, WorkResult
from gristmill.workers.worker_main import _run_flow
from helpers.support import Command, assert_all_whole, edit, here, made, planned, published, records, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here")

TOML = re.sub("baselines = .*", 'baselines = ["naive", "drift", "moving_average"]', SMALL)

CANDIDATES = """kind = "auto"
preset = "none"
candidates = [
    "naive",
    "drift",
    "moving_average",
    "linear",
    { model = { kind = "seasonal_naive", season = 5000 } },
    "own.py:build",
    { model = { kind = "dense", units = [4] }, train = { epochs = 2, batch_size = 256 } },
]

[pipelines.small.train]
epochs = 100_000"""
"""One that is too long for the series, one that cannot be exported, and a network in two epochs."""

OWN = """
import keras


def build(shape):
    window = keras.Input((shape.history, shape.columns))
    last = keras.layers.Lambda(lambda values: values[:, -1])(window)
    return keras.Model(window, keras.layers.Dense(shape.outputs)(last))
"""
NAMES = ["naive", "drift", "moving_average", "linear", "seasonal_naive", "own.py:build", "dense"]
TRAINED = [f"train {name}" for name in NAMES]
AFTER = ["select", "evaluate", "export"]


def write_auto(folder: Path, toml: str = TOML.replace('kind = "linear"', CANDIDATES)) -> None:
    write_project(folder, toml)
    (folder / "own.py").write_text(OWN)


@pytest.fixture(scope="module")
def auto_store(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """The store of a finished run. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("auto")
    write_auto(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        Project.open(folder).run("small")
    return folder / "data/store"


@pytest.fixture
def auto(project: Path, auto_store: Path) -> Path:
    """The small project with a finished run of its candidates; the current folder of the test."""
    write_auto(project)
    shutil.copytree(auto_store, project / "data/store", symlinks=True)
    return project


@pytest.fixture
def result(auto: Path) -> Result:
    return Project.open().result("small")


@pytest.mark.slow
def test_every_candidate_is_a_stage_and_the_selection_is_exported(result: Result) -> None:
    assert list(result.record.stages) == ["ingest", "preprocess", *TRAINED, *AFTER]
    assert result.record.outcome == "succeeded"
    scores = result.typed_scores
    assert scores.selected
    assert (scores.selected.tried, scores.selected.failed) == (7, 2)
    assert set(scores.selected.members) <= {*NAMES} - {"seasonal_naive", "own.py:build"}
    assert scores.selected.loss <= scores.selected.best_loss
    assert {"naive", "drift", "moving_average"} <= set(scores.baselines)
    assert set(scores.candidates) == {"linear", "dense"}
    assert scores.parity is None  # which export adds to its own copy
    network = saved_network.read(result.folder("select"))
    data, rows = dataset.read(result.folder("preprocess")), read_predictions(result.folder("evaluate"), "test")
    forecast = network.predict(data.seen_by(network).histories(data.origins("test")), verbose=0)
    assert rows["model"].to_numpy() == pytest.approx(forecast.ravel(), rel=1e-5)
    assert (result.bundle / "model.keras").is_file()


@pytest.mark.slow
def test_afterwards_there_is_nothing_to_do(auto: Path, command: Command) -> None:
    said = command("run", "small")

    assert (said.status, said.out.splitlines()[0]) == (0, "small: all fresh, nothing to do")
    assert len(records(auto)) == 1
    assert planned(Project.open().plan("small")) == {}


def test_the_leaderboard_tells_losses_weights_costs_and_why_one_failed(result: Result) -> None:
    table = Project.open().leaderboard("small")

    assert table.columns.tolist() == [
        "candidate", "loss", "standard_error", "weight", "test", "seconds", "microseconds", "megabytes", "failed",
    ]  # fmt: skip
    assert set(table["candidate"]) == {*NAMES}
    assert table["loss"].iloc[:5].is_monotonic_increasing
    assert table["weight"].sum() == pytest.approx(1)
    failed = table[table["failed"] != ""].set_index("candidate")
    assert list(failed.index) == table["candidate"].iloc[5:].tolist()  # last
    assert failed.loc["seasonal_naive", "failed"] == ("needs 5000 observations in the training set; the series has 220")
    assert failed[["loss", "test", "microseconds"]].isna().all(axis=None)
    sound = table[table["failed"] == ""].set_index("candidate")
    assert (sound[["seconds", "microseconds", "megabytes", "standard_error"]] > 0).all(axis=None)
    scores = result.typed_scores
    for name, by_part in (scores.baselines | scores.candidates).items():
        if name in sound.index:
            assert sound.loc[name, "test"] == by_part["test"]["mae"]
    pd.testing.assert_frame_equal(result.leaderboard, table)
    assert "scaled error on validation" in result._repr_html_()  # of a notebook


def test_an_own_model_that_cannot_be_exported_is_refused_before_it_is_trained(result: Result) -> None:
    """Its training would have taken minutes."""
    reason = str(result.leaderboard.set_index("candidate").loc["own.py:build", "failed"])

    assert reason.startswith("own.py:build returned a network that cannot be exported (")
    assert "Use Keras's own layers" in reason
    assert not (result.folder("train own.py:build") / "epochs.parquet").exists()


@pytest.mark.slow
def test_the_winner_is_named_by_every_command(auto: Path, command: Command) -> None:
    selected = Project.open().result("small").typed_scores.selected
    assert selected

    (status,) = command("ls", "--json").json
    assert status["headline"]["selected"] == selected.name
    for words in (["show", "small"], ["run", "small", "--refresh", "evaluate"]):
        assert max(selected.members, key=lambda name: selected.members[name]) in command(*words).out
    page = Path(command("report", "small").out.strip()).read_text()
    assert "Leaderboard" in page
    assert "needs 5000 observations in the training set" in page


@pytest.mark.slow
def test_another_candidate_is_the_only_one_that_is_trained(auto: Path, command: Command) -> None:
    edit(auto / "pipelines.toml", '"linear",', '"linear",\n    { model = { kind = "linear", l2 = 9.0 } },')

    assert set(planned(Project.open().plan("small"))) == {"train linear-2", *AFTER}
    assert command("run", "small").status == 0

    first, last = records(auto)
    assert made(last) == {"train linear-2", *AFTER}
    assert {label: last.references[label] for label in TRAINED} == {label: first.references[label] for label in TRAINED}
    assert "linear-2" in set(Project.open().leaderboard("small")["candidate"])


@pytest.mark.slow
def test_with_a_candidate_less_only_the_selection_is_made_again_which_needs_no_budget(auto: Path) -> None:
    edit(auto / "pipelines.toml", '    "drift",\n', "")

    assert planned(Project.open().plan("small"))["select"] == "without train drift"
    record: Record = Project.open().run("small", budget=0.001).record

    assert made(record) == {*AFTER}
    assert record.untried == []


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a candidate that took longer the last time than the budget has left, and the budget end while one trains."""

    deadline = Deadline()

    def deadline_of_run(run: Run) -> Deadline:
        if run.budget is None:
            return Deadline()
        left = 0.001 if "train own.py:build" in run.record().stages else 60
        deadline.at = min(deadline.at, time.monotonic() + left)
        return deadline

    monkeypatch.setattr(Run, "deadline", property(deadline_of_run))
    monkeypatch.setattr(Run, "last_seconds", {"train linear": 61.0})


@pytest.mark.slow
def test_a_run_whose_budget_ends_is_complete_with_all_baselines_and_one_without_goes_on(
    project: Path, prefect_api: str, command: Command, short_of_time: None
) -> None:
    write_auto(project)
    left = ["train linear", "train dense"]
    tried = [label for label in TRAINED if label not in left]

    said = command("run", "small", "--budget", "1 minute")

    assert said.status == 0
    for words in (said.out, command("show", "small").out, Path(command("report", "small").out.strip()).read_text()):
        assert "5 candidates, 2 left out, 2 of 7 candidates not tried" in " ".join(words.split())
    (record,) = records(project)
    assert list(record.stages) == ["ingest", "preprocess", *tried, *AFTER]
    assert (record.outcome, record.budget) == ("succeeded", 60)
    assert record.untried == [label.removeprefix("train ") for label in left]
    states = {step.stage: step.state for step in Project.open().plan("small")}
    assert states == dict.fromkeys(record.stages, "fresh") | dict.fromkeys(left, "untried")
    fresh = "small: all fresh, nothing to do, 2 of 7 candidates not tried\n"
    assert command("plan", "small").out == fresh
    assert command("run", "small", "--budget", "1 minute").out.startswith(fresh)
    assert len(records(project)) == 1

    assert command("run", "small").status == 0

    last = records(project)[-1]
    assert made(last) == {*left, *AFTER}
    assert (last.budget, last.untried) == (None, [])
    assert command("plan", "small").out == "small: all fresh, nothing to do\n"
    assert_all_whole(project / "data/store")


def test_a_budget_for_no_candidate_is_an_error_that_says_so(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = 'kind = "auto"\npreset = "none"\ncandidates = ["linear", "dense"]'
    write_project(project, SMALL.replace('kind = "linear"', networks))

    with pytest.raises(
        WorkError, match=r"the budget of 0\.001 s ended before a candidate was trained\. Use a larger --budget"
    ):
        Project.open().run("small", budget=0.001)

    (record,) = records(project)
    assert record.outcome == "failed"
    assert list(record.stages) == ["ingest", "preprocess"]


@pytest.mark.slow
def test_with_refresh_the_cache_has_what_the_budget_does_not_let_start_again(auto: Path) -> None:
    record = Project.open().run("small", refresh="train", budget=0.001).record

    assert made(record) == {f"train {name}" for name in ("naive", "drift", "moving_average", "seasonal_naive")}
    assert record.untried == []
    assert {*TRAINED} < {*record.stages}


TWO_BLOCKS = """kind = "auto"
preset = "none"
candidates = ["naive", { model = { kind = "seasonal_naive", season = 5000 } }, "linear"]

[pipelines.small.backtest]
windows = 2
size = 20"""
"""The second candidate is too long for the series."""

BLOCKS = "backtest {} 1/1", "backtest {} 2/1"


@pytest.mark.slow
def test_workers_fit_candidates_and_blocks_with_the_results_of_a_sequential_run(
    project: Path, prefect_api: str, command: Command
) -> None:
    write_project(project, ONE_BASELINE.replace('kind = "linear"', TWO_BLOCKS))
    assert command("run", "small").status == 0
    (sequential,) = records(project)
    shutil.rmtree(project / "data" / "store")

    assert command("run", "small", "--jobs", "2").status == 0

    (parallel,) = records(project)
    assert parallel.references == sequential.references
    assert made(parallel) == {*sequential.stages}
    assert command("run", "small").out == "small: all fresh, nothing to do\n"


def worker(monkeypatch: pytest.MonkeyPatch, last: str = "") -> list[str]:
    """Return the stages that the only worker makes, in this process; at the last one the budget ends."""
    asked: list[str] = []
    closed, deadline = threading.Event(), Deadline()

    def run(unit: Unit) -> WorkResult:
        asked.append(unit.parameters["stage"])
        if asked[-1] != last:
            return _run_flow(**asdict(unit), api="")
        deadline.at = 0
        closed.wait()
        return WorkResult(failed="closed")

    def opened(workers: int) -> SimpleNamespace:
        closed.clear()
        return SimpleNamespace(workers=1, run=run, close=closed.set)

    monkeypatch.setattr(pool, "Processes", opened)
    monkeypatch.setattr(Run, "deadline", deadline)
    before = BLOCKS[1].format("naive")
    monkeypatch.setattr(pool, "waiting", lambda: nullcontext(1.0 if last and before in asked else None))
    return asked


@pytest.mark.slow
def test_workers_get_what_is_missing_and_no_blocks_of_a_failed_candidate(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = worker(monkeypatch)
    write_project(project, ONE_BASELINE.replace('kind = "linear"', TWO_BLOCKS))

    Project.open().run("small", jobs=2)
    edit(project / "pipelines.toml", '"linear"]', '"linear", { model = { kind = "seasonal_naive", season = 4000 } }]')
    record = Project.open().run("small", jobs=2).record

    trainings = [f"train {name}" for name in ("naive", "seasonal_naive", "linear")]
    blocks = [block.format(name) for name in ("naive", "linear") for block in BLOCKS]
    assert asked == [*trainings, *blocks]
    assert made(record) == {"train seasonal_naive-2", *AFTER}
    assert {*record.stages} == {"ingest", "preprocess", *trainings, *blocks, "train seasonal_naive-2", *AFTER}


@pytest.mark.slow
def test_with_a_budget_workers_only_fit_blocks_and_stop_at_its_end(
    project: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = worker(monkeypatch, last="backtest linear 1/1")
    write_project(project, ONE_BASELINE.replace('kind = "linear"', TWO_BLOCKS))

    record = Project.open().run("small", jobs=2, budget=1000).record

    blocks = [block.format("naive") for block in BLOCKS]
    assert asked == [*blocks, "backtest linear 1/1"]
    assert record.untried == ["linear"]
    fitted = ["train naive", "train seasonal_naive", *blocks]
    assert made(record) == {"ingest", "preprocess", *fitted, *AFTER}


@pytest.mark.slow
def test_a_candidate_that_failed_is_not_fitted_to_the_blocks_of_the_backtest(
    project: Path, prefect_api: str, command: Command
) -> None:
    some = """kind = "auto"
preset = "none"
candidates = ["naive", { model = { kind = "seasonal_naive", season = 5000 } }]

[pipelines.small.backtest]
windows = 2
size = 20"""
    write_project(project, ONE_BASELINE.replace('kind = "linear"', some))

    assert command("run", "small").status == 0

    (record,) = records(project)
    blocks = ["backtest naive 1/1", "backtest naive 2/1"]
    assert list(record.stages) == ["ingest", "preprocess", "train naive", *blocks, "train seasonal_naive", *AFTER]
    assert command("plan", "small").out == "small: all fresh, nothing to do\n"


@pytest.mark.slow
def test_an_average_of_every_kind_is_loaded_without_this_package_and_repeats_the_scores(
    every_kind: Result, tmp_path: Path
) -> None:
    """By TensorFlow and Keras alone: neither the code that fits nor LightGBM can be imported."""
    data = dataset.read(every_kind.folder("preprocess"))
    history = read_document(every_kind.bundle / "signature.json")["history"]
    np.save(tmp_path / "inputs.npy", data.view(history=history).histories(data.origins("test")))
    script, forms = tmp_path / "load.py", ("saved_model", "model.keras")
    script.write_text(LOAD)

    paths = [every_kind.bundle / form for form in forms]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, script, tmp_path, *paths], cwd=tmp_path, env=environment, check=True, timeout=300)

    scored = read_predictions(every_kind.folder("evaluate"), "test")
    names, deviation = ["model", *quantile_columns(scored)], data.layout.deviation[0]
    assert len(names) == 10
    for form in forms:
        forecast = np.load(tmp_path / f"{form}.npy").reshape(-1, len(names))
        assert forecast / deviation == pytest.approx(scored[names].to_numpy() / deviation, abs=1e-4), form


LOAD = """
import sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gristmill", "lightgbm"):
            raise ImportError(name + " is refused")


sys.meta_path.insert(0, Refuse())
import keras
import numpy as np
import tensorflow as tf

folder, *paths = sys.argv[1:]
inputs = np.load(folder + "/inputs.npy")
for path in paths:
    if path.endswith(".keras"):
        forecast = keras.models.load_model(path, compile=False, safe_mode=True).predict(inputs)
    else:
        (forecast,) = tf.saved_model.load(path).signatures["serving_default"](tf.constant(inputs)).values()
    np.save(folder + "/" + path.rpartition("/")[2] + ".npy", np.asarray(forecast))
"""


STACKS = {"bidirectional", "conv", "conv_lstm", "dense", "gru", "lstm", "rnn"}
"""Networks whose layers are Keras's own, as those of multiscale are; the tests of the models export them."""


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Result:
    """A run with a candidate of every kind but those stacks, all of them members of the exported average."""
    folder = tmp_path_factory.mktemp("every")
    names = [name for name in kinds("gristmill.domains.timeseries.models") if name not in STACKS]
    sizes = {"multiscale": ", units = [4]", "boosted_trees": ", rounds = 3"}
    listed = ", ".join(f'{{ model = {{ kind = "{name}"{sizes.get(name, "")} }} }}' for name in names)
    weights = "\n".join(f"{name} = 1.0" for name in names)
    model = f'kind = "auto"\npreset = "none"\ncandidates = [{listed}]\n'
    model += "\n[pipelines.small.train]\nepochs = 1\nbatch_size = 256\n"
    toml = ONE_BASELINE.replace('kind = "linear"', model + f"\n[pipelines.small.select.weights]\n{weights}\n")
    toml = toml.replace("test = 40", "test = 40\nseason = 12").replace('["keras"]', '["saved_model", "keras"]')
    write_project(folder, toml)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        result = Project.open(folder).run("small")
    assert result.typed_scores.selected
    assert set(result.typed_scores.selected.members) == {*names}
    assert published(folder / "data/store", "select")
    return result

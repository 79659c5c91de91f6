"""The project from Python: what a run returns and records, and the surroundings it has to work in."""

import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gristmill.config import catalogue
from gristmill.errors import DataError, RequestError
from gristmill.project.project import Project
from gristmill.runs.locations import Located
from gristmill.store.code_closure import READER_VERSION
from gristmill.store.store import Store
from gristmill.util.files import StatCache
from helpers.support import STAGE_NAMES, made, planned, records

pytest_plugins = ["helpers.end_to_end"]

Gristmill = Callable[..., subprocess.CompletedProcess[str]]

MINE = """
import flows
import tasks


def build(shape):
    import keras

    window = keras.Input((shape.history, shape.columns))
    hidden = keras.layers.Dense(flows.WIDTH)(shape.lags(window))
    return keras.Model(window, keras.layers.Dense(shape.outputs, name=f"of_{tasks.WIDTH}")(hidden))
"""


@pytest.mark.slow
def test_a_run_returns_its_record_with_scores_report_and_bundle(finished: Path) -> None:
    project = Project.open()

    result = project.run("small", refresh="ingest")

    record = result.record
    assert (record.pipeline, record.outcome, record.overrides) == ("small", "succeeded", [])
    assert made(record) == {"ingest"}
    assert record == records(finished)[-1] == project.record("small")
    assert record.settings["preprocess"]["history"] == 12
    assert set(record.versions) == {
        "keras", "numpy", "pandas", "prefect", "pyarrow", "python", "scipy", "statsmodels", "tensorflow",
    }  # fmt: skip
    assert result.evaluation["model"]["test"]["mae"] > 0
    validation = result.scores_of("validation").loc["model", "mae"]
    assert result.headline == result.evaluation["headline"] | {"validation": validation}
    assert result.report.is_file()
    assert (result.bundle / "signature.json").is_file()


@pytest.mark.slow
def test_a_run_loads_pipelines_toml_and_reads_the_code_of_gristmill_once(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_toml, recall = catalogue.read_toml, StatCache.recall
    loaded: list[Path] = []
    read: list[str] = []

    def read_and_note(root: Path) -> dict[str, Any]:
        loaded.append(root)
        return read_toml(root)

    def recall_and_note(memo: StatCache, folder: Path, names: Any, work: Any, version: str, *follow: Any) -> Any:
        read.append(version)
        return recall(memo, folder, names, work, version, *follow)

    monkeypatch.setattr(catalogue, "read_toml", read_and_note)
    monkeypatch.setattr(StatCache, "recall", recall_and_note)

    record = Project.open(overrides={"small": ["train.epochs=7"]}).run("small", refresh="ingest").record

    assert (made(record), record.overrides) == ({"ingest", "train"}, ["train.epochs=7"])
    assert (loaded, read.count(READER_VERSION)) == ([finished], 1)


def test_a_fresh_run_returns_the_last_record_and_writes_none(finished: Path) -> None:
    assert Project.open().run("small").record == records(finished)[0]
    assert len(records(finished)) == 1


@pytest.mark.slow
def test_settings_switched_back_and_forth_leave_records_that_tell_of_the_right_artifacts(finished: Path) -> None:
    there = {"small": ["train.epochs=7"]}  # of no effect on the closed form: equal weights under another key
    first = Project.open().record("small")

    second = Project.open(overrides=there).run("small").record
    back = Project.open().run("small").record
    forth = Project.open(overrides=there).run("small").record

    assert made(second) == {"train"}
    assert made(back) == made(forth) == set()
    assert [record.id for record in records(finished)] == [first.id, second.id, back.id, forth.id]
    assert [record.overrides for record in records(finished)] == [[], there["small"], [], there["small"]]
    assert back.references == first.references
    assert forth.references == second.references
    assert first.references["train"]["key"] != second.references["train"]["key"]
    assert first.references["train"]["digest"] == second.references["train"]["digest"]
    assert [record.settings["train"]["epochs"] for record in records(finished)] == [50, 7, 50, 7]
    assert all(record.outcome == "succeeded" and record.finished for record in records(finished))
    assert planned(Project.open().plan("small")) == planned(Project.open(overrides=there).plan("small")) == {}


@pytest.mark.slow
def test_settings_that_were_tried_and_then_written_into_the_file_are_the_pipelines_own(finished: Path) -> None:
    toml = finished / "pipelines.toml"
    own = toml.read_text()
    tried = Project.open(overrides={"small": ["train.epochs=7"]}).run("small").record
    assert Project.open().record("small") == records(finished)[0]

    toml.write_text(f"{own}\n[pipelines.small.train]\nepochs = 7\n")
    assert Project.open().record("small") == tried  # ls says that these settings are fresh
    adopted = Project.open().run("small").record

    assert (adopted.overrides, adopted.references) == ([], tried.references)
    toml.write_text(f"{own}\n[pipelines.small.train]\nepochs = 8\n")
    assert Project.open().record("small") == adopted


@pytest.mark.slow
def test_a_project_with_other_settings_has_the_runs_of_these(finished: Path) -> None:
    (own,) = records(finished)
    other = Project.open(overrides={"small": ["model.l2=9.0"]})
    with pytest.raises(RequestError) as raised:
        other.predict("small")
    assert str(raised.value) == (
        "pipeline 'small' has no successful run with --set model.l2=9.0 yet; the last run had no --set. "
        f"Run: gristmill run small --set model.l2=9.0, or promote that run: gristmill promote small --run "
        f"{own.id}."
    )

    tried = other.run("small").record

    assert other.record("small") == other.result("small").record == tried
    assert Project.open().result("small").record == own
    assert not other.predict("small").equals(Project.open().predict("small"))
    assert other.promote("small").version == 1
    assert other.models("small")[0][0].run == tried.id


@pytest.mark.slow
def test_the_run_that_predicts_is_kept_however_many_settings_are_tried_after_it(finished: Path) -> None:
    toml = finished / "pipelines.toml"
    toml.write_text("[defaults]\nkeep_runs = 1\n" + toml.read_text())
    for epochs in (3, 4):
        Project.open(overrides={"small": [f"train.epochs={epochs}"]}).run("small")
    project = Project.open()
    before = project.predict("small")

    freed = project.collect()

    assert [item.path.parent.parent.name for item in freed] == ["train"]  # of the first that was tried
    assert project.predict("small").equals(before)
    assert planned(project.plan("small")) == {}


@pytest.mark.slow
def test_what_a_pipeline_no_longer_refers_to_is_collected_and_what_it_does_is_kept(finished: Path) -> None:
    toml = finished / "pipelines.toml"
    toml.write_text("[defaults]\nkeep_runs = 1\n" + toml.read_text())
    first = Project.open().record("small").references["train"]
    own = toml.read_text()
    toml.write_text(f"{own}\n[pipelines.small.train]\nepochs = 7\n")
    second = Project.open().run("small").record.references["train"]
    store = Store(finished / "data/store")

    freed = Project.open().collect()

    assert [item.path for item in freed] == [store.path("train", first["key"])]
    assert not store.path("train", first["key"]).exists()
    assert store.open_verified(second).reference == second
    toml.write_text(own)
    assert planned(Project.open().plan("small")) == {
        "train": "settings train.epochs 7 → 50",
        "evaluate": "depends on train",
        "export": "depends on train",
    }


def test_status_follows_the_data(finished: Path) -> None:
    assert [(status.name, status.state) for status in Project.open().status()] == [("small", "fresh")]
    with (finished / "series.csv").open("a") as series:
        series.write("1774-01,50.0\n")
    assert [status.state for status in Project.open().status()] == ["stale"]
    (finished / "series.csv").unlink()
    (status,) = Project.open().status()
    assert status.state == "no data"
    assert status.headline is not None  # of the last run, whatever has become of the data


def test_data_is_found_in_the_folders_of_the_environment(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = finished / "elsewhere"
    elsewhere.mkdir()
    (finished / "series.csv").rename(elsewhere / "series.csv")
    monkeypatch.setenv("GRISTMILL_DATA", str(elsewhere))

    assert Project.open().data("small") == {"source.path": Located((elsewhere / "series.csv",))}
    assert planned(Project.open().plan("small")) == {}  # where data lies is no part of the key


def test_data_is_every_file_of_a_folder_and_of_a_url_where_it_will_lie(finished: Path) -> None:
    (finished / "many").mkdir()
    for name in ("b.csv", "a.csv"):
        (finished / "many" / name).write_bytes((finished / "series.csv").read_bytes())
    url, sha256 = "https://example.org/series.csv", "ab" * 32

    of_folder = Project.open(overrides={"small": ["source.path=many"]})
    of_url = Project.open(overrides={"small": [f"source.path='{url}'", f"source.sha256={sha256}"]})

    assert of_folder.data("small") == {"source.path": Located((finished / "many/a.csv", finished / "many/b.csv"))}
    fetched = finished / "data/store/downloads" / sha256 / "series.csv"
    assert of_url.data("small") == {"source.path": Located((fetched,), url, sha256)}
    with pytest.raises(DataError, match=r"\[pipelines\.small\.source\] path: no such file 'gone\.csv'"):
        Project.open(overrides={"small": ["source.path=gone.csv"]}).data("small")


@pytest.mark.slow
def test_a_backtest_that_is_asked_for_is_made_beside_the_rest_and_scored(finished: Path) -> None:
    points = ["backtest 1/1", "backtest 1/2", "backtest 2/1", "backtest 2/2"]  # window/seed
    with_backtest = {"small": ["backtest.windows=2", "backtest.seeds=2"]}
    before = Project.open().result("small").evaluation

    project = Project.open(overrides=with_backtest)
    result = project.run("small")

    record, after = result.record, result.evaluation
    assert made(record) == {*points, "evaluate", "export"}
    assert list(record.stages) == ["ingest", "preprocess", "train", *points, "evaluate", "export"]
    assert "backtest" not in before
    for metric in ("mae", "rmse", "mase", "skill"):  # not coverage: the intervals are calibrated on the backtest
        assert after["model"]["test"][metric] == before["model"]["test"][metric]
    assert [scores["calibrated_on"] for scores in (before, after)] == ["validation", "backtest"]
    assert planned(project.plan("small")) == {}
    assert planned(Project.open().plan("small")) == {}  # without it nothing is to be done either
    more = Project.open(overrides={"small": ["backtest.windows=3", "backtest.seeds=2"]})
    assert list(planned(more.plan("small"))) == ["backtest 3/1", "backtest 3/2", "evaluate", "export"]


def test_a_stage_that_the_pipeline_does_not_have_cannot_be_asked_for(finished: Path) -> None:
    for stage in ("trian", "backtest"):
        with pytest.raises(RequestError, match=f"^refresh: no stage '{stage}' in small. Known: ingest, preprocess, tr"):
            Project.open().plan("small", stage)


def test_a_project_is_opened_by_its_folder_or_from_below(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = finished / "below"
    below.mkdir()
    monkeypatch.chdir(below)

    assert Project.open().catalogue.root == finished == Project.open(finished).catalogue.root
    assert Project.open("..").runs.latest("small", "succeeded") is not None
    with pytest.raises(RequestError, match=r"pipelines\.toml: cannot be read \(No such file"):
        Project.open(below)


@pytest.mark.slow
def test_a_project_may_have_packages_named_flows_and_tasks(
    finished: Path, gristmill: Gristmill, prefect_api: str
) -> None:
    for name in ("flows", "tasks"):
        (finished / name).mkdir()
        (finished / name / "__init__.py").write_text("WIDTH = 3\n")
    (finished / "mine.py").write_text(MINE)

    said = gristmill("run", "small", "--set", "model.kind=mine.py:build", "--set", "train.epochs=1", api=prefect_api)

    assert said.returncode == 0, said.stderr
    assert made(records(finished)[-1]) == {"train", "evaluate", "export"}


@pytest.mark.fault(30)
@pytest.mark.slow
def test_a_prefect_server_that_does_not_answer_is_named(finished: Path, gristmill: Gristmill) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/api"

    said = gristmill("-q", "run", "small", "--refresh", "ingest", api=address)

    assert said.returncode == 1
    (line,) = said.stderr.splitlines()
    assert line.startswith(f"error: Prefect's API at {address} does not answer (")
    assert line.endswith("Start it, or correct or unset PREFECT_API_URL.")
    assert len(records(finished)) == 1
    assert {step.state for step in Project.open().plan("small")} == {"fresh"}


def test_a_fresh_run_needs_no_prefect_server(finished: Path, gristmill: Gristmill) -> None:
    said = gristmill("run", "small", api="http://127.0.0.1:9/api")

    assert (said.returncode, said.stderr, said.stdout) == (0, "", "small: all fresh, nothing to do\n")
    assert list(records(finished)[0].stages) == STAGE_NAMES

"""Edits and what ran: after each edit exactly what it can have changed is made again, and `plan` says why before."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.project.project import Project
from gristmill.runs.records import Record
from helpers.support import STAGE_NAMES, edit, made, planned, published, with_model

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here")

MINE = """
import installed_tool
from gristmill.domains.text.tokens import PADDING
from own_layers.widths import WIDTH


def build(shape):
    import keras

    window = keras.Input((shape.history, shape.columns))
    hidden = keras.layers.Dense(WIDTH)(shape.lags(window))
    return keras.Model(window, keras.layers.Dense(shape.outputs)(hidden))
"""

Gristmill = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def edited(finished: Path) -> Path:
    """The finished project, to be edited; the current folder of the test."""
    return finished


@pytest.fixture
def remembered(edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all digests remembered with the files' stat, though the files have not rested for two seconds yet."""
    monkeypatch.setattr("gristmill.util.files.MIN_AGE_NS", 0)
    assert planned(Project.open().plan("small")) == {}
    remembered = [json.loads(file.read_text())["files"] for file in (edited / "data/store/memo").iterdir()]
    assert {"series.csv", "series.parquet"} <= {name for files in remembered for name in files}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the package, to be edited."""
    folder = tmp_path / "code"
    shutil.copytree(ROOT / "gristmill", folder / "gristmill")
    return folder


def plan_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what `plan --json` says would run: stage to reason."""
    assert (done.returncode, done.stderr) == (0, "")
    return {step["stage"]: step["reason"] for step in json.loads(done.stdout) if step["state"] != "fresh"}


@pytest.mark.slow
def test_nothing_edited_nothing_runs(edited: Path, code: Path, gristmill: Gristmill) -> None:
    assert plan_of(gristmill("plan", "small", "--json", code=code)) == {}

    said = gristmill("run", "small", code=code)

    assert (said.returncode, said.stdout, said.stderr) == (0, "small: all fresh, nothing to do\n", "")
    assert len(list((edited / "data/store/runs/small").glob("*.json"))) == 1


WITHOUT_EFFECT = [  # file, before, after
    ("gristmill/training/checkpoint.py", "KEPT = 2\n", "KEPT  =  2  # the newest\n"),
    ("gristmill/training/checkpoint.py", "Return (epochs done,", "Give (epochs done,"),
    ("gristmill/training/checkpoint.py", '"""Checkpoints', '"""\n\nCheckpoints'),
    ("gristmill/reports/run.py", "sections = ", "unused, sections = 1, "),
    ("gristmill/domains/timeseries/models/dense.py", 'name="dense"', 'name="thick"'),
    ("gristmill/execution/stage.py", "logger = ", "UNUSED = 1\nlogger = "),
    ("gristmill/domains/timeseries/domain.py", '_stage(_PACKAGE, "backtest")', '_stage(_PACKAGE, *("backtest",))'),
]
"""Edits of a comment, docstrings, a report, a model that is not chosen, a task's module and the object of a domain."""


@pytest.mark.slow
@pytest.mark.fault(19)
def test_an_edit_that_no_result_depends_on_runs_nothing(edited: Path, code: Path, gristmill: Gristmill) -> None:
    for file, before, after in WITHOUT_EFFECT:
        edit(code / file, before, after)

    assert plan_of(gristmill("plan", "small", "--json", code=code)) == {}


@pytest.mark.slow
def test_a_new_model_runs_nothing_and_is_known(edited: Path, code: Path, gristmill: Gristmill) -> None:
    models = code / "gristmill/domains/timeseries/models"
    (models / "wide.py").write_text((models / "dense.py").read_text().replace('"dense"', '"wide"'))

    assert plan_of(gristmill("plan", "small", "--json", code=code)) == {}
    assert set(plan_of(gristmill("plan", "small", "--set", "model.kind=wide", "--json", code=code))) == {
        "train",
        "evaluate",
        "export",
    }


def test_a_touched_source_runs_nothing(edited: Path, gristmill: Gristmill) -> None:
    (edited / "series.csv").touch()

    assert plan_of(gristmill("plan", "small", "--json")) == {}


@pytest.mark.slow
@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("file", "named", "depending"),
    [
        ("gristmill/training/checkpoint.py", ["train"], ["evaluate", "export"]),
        ("gristmill/domains/timeseries/patterns/change_points.py", ["evaluate"], ["export"]),
        ("gristmill/sources/tables/csv.py", ["ingest"], ["preprocess", "train", "evaluate", "export"]),
        ("gristmill/util/table_io.py", STAGE_NAMES, []),
    ],
)
def test_an_edit_in_a_helper_is_named_by_the_stages_that_reach_it(
    edited: Path, code: Path, gristmill: Gristmill, file: str, named: list[str], depending: list[str]
) -> None:
    with (code / file).open("a") as source:
        source.write("\nUNUSED = 1\n")

    reasons = plan_of(gristmill("plan", "small", "--json", code=code))

    assert list(reasons) == [stage for stage in STAGE_NAMES if stage in named + depending]
    assert {stage for stage, reason in reasons.items() if reason == f"code {file}"} == set(named)
    assert all(reasons[stage].startswith("depends on ") for stage in depending)


@pytest.mark.fault(19)
@pytest.mark.slow
def test_an_edit_two_imports_away_trains_again_and_equal_weights_stop_it_there(
    edited: Path, code: Path, gristmill: Gristmill, prefect_api: str
) -> None:
    with (code / "gristmill/training/checkpoint.py").open("a") as source:  # train imports fit, fit imports checkpoint
        source.write("\nUNUSED = 1\n")

    done = gristmill("run", "small", "--json", code=code, api=prefect_api)

    assert done.returncode == 0, done.stderr
    record = Record.model_validate_json(done.stdout)
    assert made(record) == {"train"}
    assert len(published(edited / "data/store", "train")) == 2
    assert plan_of(gristmill("plan", "small", "--json", code=code)) == {}


@pytest.mark.fault(33)
@pytest.mark.slow
def test_an_own_model_is_trained_again_after_an_edit_of_what_it_imports_from_elsewhere(
    project: Path, code: Path, gristmill: Gristmill, prefect_api: str, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    metadata, widths = packages / "installed_tool-1.5.dist-info", packages / "own_layers/widths.py"
    for file, content in {
        project / "pipelines.toml": with_model('kind = "mine.py:build"', "epochs = 1"),
        project / "mine.py": MINE,
        packages / "installed_tool.py": "",
        metadata / "METADATA": "Metadata-Version: 2.1\nName: installed-tool\nVersion: 1.5\n",
        metadata / "RECORD": "installed_tool.py,,\n",
        packages / "own_layers/__init__.py": "",
        widths: "WIDTH = 2\n",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return gristmill(*words, "small", "--json", code=code, api=prefect_api, PYTHONPATH=f"{code}:{packages}")

    def ran() -> set[str]:
        done = call("run")
        assert done.returncode == 0, done.stderr
        return made(Record.model_validate_json(done.stdout))

    def trained() -> dict[str, int]:
        return {
            artifact.name: json.loads((artifact / "manifest.json").read_text())["counts"]["parameters"]
            for artifact in published(project / "data/store", "train")
        }

    depending = {"evaluate": "depends on train", "export": "depends on train"}
    assert ran() == set(STAGE_NAMES)
    assert plan_of(call("plan")) == {}
    (first,) = trained().values()

    stat = widths.stat()
    widths.write_text("WIDTH = 3\n")  # of the same length and second, which byte code could not tell
    os.utime(widths, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert plan_of(call("plan")) == {"train": "code own_layers/widths.py"} | depending
    assert ran() == {"train", "evaluate", "export"}
    assert len(trained()) == 2
    assert max(trained().values()) > first
    assert plan_of(call("plan")) == {}

    edit(metadata / "METADATA", "1.5", "1.6")
    assert plan_of(call("plan")) == {"train": "library installed-tool 1.5 → 1.6"} | depending
    edit(metadata / "METADATA", "1.6", "1.5")

    (packages / "own_layers/unused.py").write_text("")
    widths.write_text("WIDTH = 3  # a comment\n")
    assert plan_of(call("plan")) == {}

    with (code / "gristmill/domains/text/tokens.py").open("a") as source:
        source.write("\nUNUSED = 1\n")
    assert plan_of(call("plan")) == {"train": "code gristmill/domains/text/tokens.py"} | depending


@pytest.mark.parametrize(
    ("setting", "reasons"),
    [
        pytest.param(
            "model.l2=2.0",
            {
                "train": "settings model.l2 1.0 → 2.0",
                "evaluate": "depends on train",
                "export": "depends on train",
            },
            id="model",
        ),
        pytest.param(
            "evaluate.anomaly_level=0.98",
            {"evaluate": "settings evaluate.anomaly_level 0.99 → 0.98", "export": "depends on evaluate"},
            id="yardstick",
        ),
    ],
)
@pytest.mark.slow
def test_a_setting_runs_its_stage_and_what_follows(
    edited: Path, prefect_api: str, setting: str, reasons: dict[str, str]
) -> None:
    project = Project.open(overrides={"small": [setting]})

    assert planned(project.plan("small")) == reasons
    assert made(project.run("small").record) == set(reasons)
    assert planned(project.plan("small")) == {}
    assert planned(Project.open().plan("small")) == {}  # the old results are still there


@pytest.mark.slow
def test_one_byte_of_the_source_under_the_same_name_size_and_time_runs_all(
    edited: Path, prefect_api: str, remembered: None
) -> None:
    source = edited / "series.csv"
    stat, content = source.stat(), source.read_bytes()
    assert content.endswith(b"43.2\n")
    source.write_bytes(content[:-2] + b"3\n")
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (source.stat().st_size, source.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    project = Project.open()

    assert planned(project.plan("small")) == {
        "ingest": "data source.path",
        "preprocess": "depends on ingest",
        "train": "depends on preprocess",
        "evaluate": "depends on preprocess",
        "export": "depends on preprocess",
    }
    assert made(project.run("small").record) == set(STAGE_NAMES)
    assert planned(project.plan("small")) == {}


@pytest.mark.fault(7)
def test_a_flipped_byte_in_a_cached_table_makes_that_table_again_and_nothing_else(
    edited: Path, prefect_api: str, remembered: None
) -> None:
    (artifact,) = published(edited / "data/store", "ingest")
    table = artifact / "series.parquet"
    sound, stat = table.read_bytes(), table.stat()
    damaged = bytearray(sound)
    damaged[len(damaged) // 2] ^= 1
    table.write_bytes(damaged)
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    project = Project.open()

    reasons = planned(project.plan("small"))

    assert reasons["ingest"] == (f"corrupt: {table}: altered since it was published (its SHA-256 does not hold).")
    assert made(project.run("small").record) == {"ingest"}
    assert table.read_bytes() == sound
    (aside,) = (edited / "data/store/quarantine").iterdir()
    assert aside.name.startswith(f"ingest-{artifact.name[:16]}-")
    assert (aside / "series.parquet").read_bytes() == damaged
    assert planned(project.plan("small")) == {}

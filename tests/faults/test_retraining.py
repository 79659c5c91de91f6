"""Retrainings by the real command: a worse model is not served and the reason is kept; data counts as news once."""

import shutil
from html import unescape
from pathlib import Path

import pytest

from conftest import ONE_BASELINE
from gristmill.config.domains import domain_of
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, DataChanges, Judgement
from gristmill.settings.number_text import format_number
from gristmill.store.store import Store
from helpers.scoreboard import Fault
from helpers.support import Command, published, records, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

RULES = """
[pipelines.small.gate]
window = 24

[pipelines.small.schedule]
min_new = 1
"""

BAD = (
    ONE_BASELINE.replace('kind = "linear"', 'kind = "far_off.py:build"')
    + """
[pipelines.small.train]
epochs = 1
learning_rate = 1e-9
"""
)

FAR_OFF = '''
"""A network whose every forecast is far too high."""


def build(shape):
    import keras

    window = keras.Input((shape.history, shape.columns))
    return keras.Model(window, keras.layers.Dense(shape.outputs, bias_initializer="ones")(1000 * shape.lags(window)))
'''


def set_up(project: Path, toml: str, left_out: slice = slice(0)) -> str:
    """Write a pipeline that may be retrained, and its data but for some lines; return all of the data."""
    write_project(project, toml + RULES)
    (project / "far_off.py").write_text(FAR_OFF)
    data = project / "series.csv"
    lines = data.read_text().splitlines(keepends=True)
    whole = "".join(lines)
    del lines[left_out]
    data.write_text("".join(lines))
    return whole


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Path:
    """A project with a champion, trained without the last 30 months. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("retrained")
    set_up(folder, ONE_BASELINE, left_out=slice(-30, None))
    Project.open(folder).retrain("small")
    return folder


@pytest.fixture
def serving(project: Path, retrained: Path) -> Path:
    """The current folder of the test, with a champion."""
    shutil.copytree(retrained, project, dirs_exist_ok=True)
    assert served(project) == (1, [1])
    return project


def served(project: Path) -> tuple[int | None, list[int]]:
    """Return the champion's number and those of all versions."""
    registry = Registry(Store(project / "data/store"))
    champion = registry.champion("small", verified=True)
    return champion.number if champion else None, [version.number for version in registry.versions("small")]


def judged(project: Path) -> tuple[str | None, str, Judgement]:
    """Return what the last retraining came to, why, and who was judged how."""
    last = records(project)[-1].retraining
    assert last is not None
    assert last.judgement is not None
    return last.verdict, last.why, last.judgement


def assert_report_tells(project: Path, why: str) -> None:
    page = unescape((project / "data/store/reports/small.retraining.html").read_text())
    assert "Rejected" in page
    assert why in page


@pytest.mark.fault(21)
def test_a_model_worse_than_the_champion_is_not_served_and_the_reason_is_kept(
    serving: Path, command: Command, fault: Fault
) -> None:
    set_up(serving, BAD)

    done = command("retrain", "small")

    verdict, why, judgement = judged(serving)
    assert (done.status, verdict) == (3, "rejected")
    assert judgement.scores[CHALLENGER] > judgement.scores[CHAMPION]
    challenger, champion = (format_number(judgement.scores[name], digits=5) for name in (CHALLENGER, CHAMPION))
    assert f"{challenger} against the champion's {champion}" in why
    assert why in " ".join(done.out.split())
    assert served(serving) == (1, [1])
    assert_report_tells(serving, why)
    fault.said(f"rejected: {why}")


@pytest.mark.fault(21)
def test_a_first_model_clearly_worse_than_the_best_baseline_is_not_served(
    project: Path, command: Command, fault: Fault
) -> None:
    set_up(project, BAD)

    done = command("retrain", "small")

    verdict, why, judgement = judged(project)
    assert (done.status, verdict) == (3, "rejected")
    assert judgement.best_baseline is not None
    assert judgement.scores[CHALLENGER] > judgement.scores["naive"]
    assert f", worse than {judgement.best_baseline} with " in why
    assert served(project) == (None, [])
    assert_report_tells(project, why)
    fault.said(f"rejected: {why}")


def what_serves(project: Path) -> dict[str, list[str]]:
    """Return the artifacts of each stage, and every file of the registry with its content."""
    store = project / "data/store"
    registry = [f"{path}: {path.read_bytes()!r}" for path in sorted(store.glob("registry/**/*")) if path.is_file()]
    return {"registry": registry} | {
        stage.name: [path.name for path in published(store, stage.name)] for stage in domain_of("timeseries").stages
    }


@pytest.mark.fault(23)
@pytest.mark.parametrize(("gaps", "what"), [("interpolate", {"revised": 2}), ("drop", {"late": 2})])
def test_rows_that_come_late_are_news_and_a_retraining_repeated_changes_nothing(
    project: Path, command: Command, fault: Fault, gaps: str, what: dict[str, int]
) -> None:
    policy = f'target = "sunspots"\ngaps = "{gaps}"'
    whole = set_up(project, ONE_BASELINE.replace('target = "sunspots"', policy), left_out=slice(150, 152))
    assert command("retrain", "small").status == 0
    before = what_serves(project)
    assert served(project) == (1, [1])

    again = command("retrain", "small", "--json")

    assert again.json["retraining"]["verdict"] == "nothing new"
    assert what_serves(project) == before

    (project / "series.csv").write_text(whole)
    late = command("retrain", "small", "--json")
    later = command("retrain", "small", "--json")

    for retraining in (late.json["retraining"], later.json["retraining"]):
        assert (retraining["verdict"], DataChanges(**retraining["news"])) == ("waiting", DataChanges(later=0, **what))
    assert served(project) == (1, [1])
    assert len(what_serves(project)["ingest"]) == 2
    fault.tried(3)


@pytest.mark.fault(23)
def test_a_gap_that_the_settings_refuse_stops_a_retraining_and_the_champion_stays(
    serving: Path, command: Command, fault: Fault
) -> None:
    set_up(serving, ONE_BASELINE, left_out=slice(150, 151))

    done = command("-q", "retrain", "small")

    assert done.status == 1
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    assert served(serving) == (1, [1])
    fault.said(done.err)

"""What every report on a run ends with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from gristmill.project.project import Project
from gristmill.reports.page import link_to, page_path, render_page
from gristmill.reports.run import common_sections
from gristmill.reports.sections import Table
from gristmill.runs.records import Record, StageRecord
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from helpers.support import write_project

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def artifact(label: str, inputs: dict[str, str], **measures: float) -> Artifact:
    """An artifact of 1 KiB whose digest begins with its label."""
    manifest: dict[str, Any] = {
        "stage": label.split()[0],
        "key": label.ljust(64, "0"),
        "digest": label.ljust(64, "1"),
        "made_of": {"inputs": inputs},
        "files": {"data": {"size": 1024}},
        "measures": {"seconds": 1.0, "peak_memory_mib": 100.0} | measures,
        "created": BEGAN.isoformat(timespec="seconds"),
    }
    return Artifact(Path(label), manifest)


@pytest.fixture
def artifacts() -> dict[str, Artifact]:
    """What a run with a backtest of three points made."""
    points = [f"backtest {block}/1" for block in (1, 2, 3)]
    return {
        "ingest": artifact("ingest", {"source.path": "abcdef0123456789"}),
        "preprocess": artifact("preprocess", {"ingest": "11"}),
        **{label: artifact(label, {"preprocess": "11"}) for label in points},
        "evaluate": artifact("evaluate", dict.fromkeys(["preprocess", *points], "11"), peak_memory_mib=250.0),
    }


@pytest.fixture
def tables(artifacts: dict[str, Artifact]) -> dict[str, Table]:
    """The tables by title; the first stages and a point were there before the run."""
    there = {"ingest", "preprocess", "backtest 1/1"}
    record = Record(
        id="20260101T000000-000000-00",
        pipeline="small",
        domain="timeseries",
        settings={"train": {"epochs": 5, "patience": None, "units": [8, 4]}},
        overrides=[],
        started=BEGAN,
        stages={
            label: StageRecord(reference=made.reference, cached=label in there, seconds=0.5)
            for label, made in artifacts.items()
        },
        versions={"numpy": "2.1.0"},
        host="here",
        pid=1,
    )
    return {section.title: section.tables[0] for section in common_sections(record, artifacts)}


def test_settings_that_do_not_fit_this_version_have_no_defaults(tables: dict[str, Table]) -> None:
    settings = tables["Settings"]

    assert settings.rows == [["train.epochs", "5", ""], ["train.patience", "–", ""], ["train.units", "8, 4", ""]]
    assert (settings.title, settings.marks) == ("All settings", {})


def test_settings_that_differ_from_their_defaults_come_first_and_are_marked(tmp_path: Path) -> None:
    write_project(tmp_path, SMALL)
    project = Project.open(tmp_path)
    record = project.runs.start(project.catalogue.pipeline("small"), [], {})

    (settings,) = common_sections(record, {})[0].tables

    assert settings.folded
    assert settings.title == f"{len(settings.marks)} of {len(settings.rows)} settings differ from the defaults"
    assert list(settings.marks) == list(range(len(settings.marks)))
    by_key = {key: (at in settings.marks, value, default) for at, (key, value, default) in enumerate(settings.rows)}
    assert by_key["preprocess.history"] == (True, "12", "")  # has no default
    assert by_key["ingest.gaps"] == (False, "error", "error")


def test_the_points_of_a_stage_are_added_up(tables: dict[str, Table]) -> None:
    assert tables["Time and size"].rows == [
        ["ingest", "fresh", "0.5", "1.0", "100", "1"],
        ["preprocess", "fresh", "0.5", "1.0", "100", "1"],
        ["backtest x3", "2 made", "1.5", "3.0", "100", "3"],
        ["evaluate", "made", "0.5", "1.0", "250", "1"],
    ]


def test_lineage_names_the_stages_of_the_run_and_the_digests_of_other_data(tables: dict[str, Table]) -> None:
    rows = {stage: (made, begun) for stage, _, _, made, begun in tables["Lineage"].rows}
    assert list(rows) == ["ingest", "preprocess", "backtest 1/1", "backtest 2/1", "backtest 3/1", "evaluate"]
    assert rows["ingest"] == ("2026-01-01 00:00", "source.path abcdef012345")
    assert rows["evaluate"] == ("2026-01-01 00:00", "preprocess, backtest x3")


def test_a_page_is_linked_where_it_was_rendered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert link_to(store, "a&b", "a & b") == "a & b"

    path = render_page(store, "a&b", "a & b", "<i>", {"is": "<b>"}, [])

    assert path == page_path(store, "a&b") == tmp_path / "reports/a&b.html"
    assert link_to(store, "a&b", "a & b") == '<a href="a&amp;b.html">a &amp; b</a>'
    page = path.read_text()
    assert all(words in page for words in ("<title>a &amp; b · gristmill</title>", "&lt;i&gt;", "&lt;b&gt;"))

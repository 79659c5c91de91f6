"""`gristmill report` without a name: the page of all pipelines."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill.project.overview_page import PipelineSummary, history, write_index
from gristmill.project.project import Project
from gristmill.reports.page import page_name, page_path
from gristmill.reports.run import report_path
from gristmill.reports.scores import headline_pair
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import DataChanges, Retraining, RetrainingVerdict
from gristmill.scores import Headline
from helpers.support import Command, records

pytest_plugins = ["helpers.end_to_end"]


def rows(page: Path) -> dict[str, list[str]]:
    """The first row of each pipeline, without its tags; a small picture is told by how many dots it has."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr>(.*?)</tr>", page.read_text(), re.DOTALL):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        if cells:
            name, *others = [
                f"{cell.count('<circle')} dots" if "<svg" in cell else re.sub("<.*?>", "", cell) for cell in cells
            ]
            found.setdefault(name, others)
    return found


def again(project: Path, **changed: object) -> Record:
    """Write the record of the last run once more, a day later, changed."""
    last = records(project)[-1]
    later = last.started + timedelta(days=1)
    record = last.model_copy(update={"id": f"{later:%Y%m%dT%H%M%S-%f}-00", "started": later} | changed)
    (project / f"data/store/runs/small/{record.id}.json").write_text(record.model_dump_json())
    return record


def points(project: Path) -> int:
    """How many points the small pipeline's history has."""
    opened = Project.open(project)
    (status,) = opened.status()
    return len(
        history(
            opened, PipelineSummary(status, opened.catalogue.pipeline("small"), list(opened.runs.newest_first("small")))
        )
    )


def test_all_pipelines_stand_on_one_page_those_that_were_run_first(finished: Path, command: Command) -> None:
    toml = finished / "pipelines.toml"
    without = SMALL.replace("small", "gone").replace("series.csv", "gone.csv")
    toml.write_text(SMALL.replace("small", "other") + SMALL + without)

    said = command("report")

    assert (said.status, said.err) == (0, "")
    page = finished / "data/store/reports/_index.html"
    assert said.out == f"{page}\n"
    (record,) = records(finished)
    scores = command("show", "small", "--json").json["scores"]["headline"]
    assert list(rows(page)) == ["small", "other", "gone"]
    assert rows(page) == {
        "small": [
            "fresh",
            *headline_pair(Headline(**scores)),
            "1 dots",
            "–",
            "timeseries",
            f"{record.started:%Y-%m-%d %H:%M}",
        ],
        "other": ["timeseries", "A few years of sunspots", ""],
        "gone": ["timeseries", "A few years of sunspots", "no data"],
    }


@pytest.mark.slow
def test_pages_that_were_rendered_are_linked_and_link_back(finished: Path, command: Command) -> None:
    report = finished / "data/store/reports/small.html"
    command("report", "small")
    assert "<nav>" not in report.read_text()  # there is nothing to go back to yet

    index = Path(command("report").out.strip()).read_text()
    command("report", "small")

    assert '<a href="small.html">small</a>' in index
    assert "<nav>" not in index
    assert '<nav><a href="_index.html">All pipelines</a></nav>' in report.read_text()


@pytest.mark.parametrize("what", ["retraining", "sweep", "trial"])
def test_no_report_takes_the_place_of_another_page(project: Path, what: str) -> None:
    other = SMALL.replace("small", "index") + SMALL.replace("small", f"small-{what}")
    (project / "pipelines.toml").write_text(SMALL + other)
    opened = Project.open(project)
    reports = {report_path(opened.store, name) for name in opened.catalogue.pipelines}

    pages = {write_index(opened), page_path(opened.store, page_name("small", what))}

    assert not reports & pages


def test_scores_are_those_of_the_own_settings_and_a_run_that_tried_others_adds_no_point(finished: Path) -> None:
    (record,) = records(finished)
    before = rows(write_index(Project.open(finished)))["small"]
    other = record.settings | {"train": record.settings["train"] | {"epochs": 1}}
    without = {label: stage for label, stage in record.stages.items() if label != "evaluate"}
    tried = again(finished, overrides=["train.epochs=1"], settings=other, stages=without)

    after = rows(write_index(Project.open(finished)))["small"]

    assert after[:-1] == before[:-1]
    assert after[-1] == f"{tried.started:%Y-%m-%d %H:%M}"  # the last run
    assert points(finished) == 1
    again(finished, overrides=["train.epochs=50"], settings=record.settings, stages=record.stages)  # as in the file
    assert points(finished) == 2


def test_bytes_of_the_last_run_are_told_by_stage(finished: Path, command: Command) -> None:
    page = Path(command("report").out.strip()).read_text()

    (stored,) = re.findall(r"<h2>Stored</h2>.*?</table>", page, re.DOTALL)
    assert re.findall(r"<th>(.*?)</th>", stored) == [
        *("pipeline", "ingest", "preprocess", "train", "evaluate", "export", "all")
    ]
    name, *sizes = re.findall(r"<td[^>]*>(.*?)</td>", stored)
    assert name == "small"
    kept = (path for path in (finished / "data/store/export").rglob("*") if path.name != "manifest.json")
    assert sizes[4] == f"{sum(path.stat().st_size for path in kept if path.is_file()) / 2**20:.2f}"
    assert float(sizes[5]) == pytest.approx(sum(map(float, sizes[:5])), abs=0.03)


def test_a_run_that_found_everything_fresh_adds_no_point(finished: Path) -> None:
    assert points(finished) == 1
    (record,) = records(finished)
    fresh = {label: stage.model_copy(update={"cached": True}) for label, stage in record.stages.items()}
    again(finished, stages=fresh)
    assert points(finished) == 1
    again(finished, stages=record.stages)
    assert points(finished) == 2


def test_the_line_of_scores_has_a_gap_where_the_data_changed(finished: Path) -> None:
    (record,) = records(finished)
    again(finished)
    assert "gaps: the test set changed" not in write_index(Project.open(finished)).read_text()
    prepared = record.stages["preprocess"]
    changed = prepared.model_copy(update={"reference": {**prepared.reference, "digest": "0" * 64}})

    again(finished, stages=record.stages | {"preprocess": changed})

    assert "gaps: the test set changed" in write_index(Project.open(finished)).read_text()


def test_a_run_whose_record_has_no_prepared_data_has_a_point(finished: Path) -> None:
    (record,) = records(finished)
    again(finished, stages={label: stage for label, stage in record.stages.items() if label != "preprocess"})

    assert points(finished) == 2


def test_a_run_that_failed_adds_no_point(finished: Path) -> None:
    again(finished, outcome="failed", error="DataError: the file is empty")

    assert points(finished) == 1
    assert rows(write_index(Project.open(finished)))["small"][-1].endswith(", failed")


def test_scores_that_were_collected_are_told_by_the_version(finished: Path, command: Command) -> None:
    command("promote", "small")
    (scores,) = finished.glob("data/store/evaluate/??/*/scores.json")
    scores.unlink()

    assert points(finished) == 1


def test_retrainings_are_listed_but_not_each_that_found_nothing(finished: Path) -> None:
    for verdict in ("rejected", "nothing new", "promoted", "nothing new", "nothing new"):
        retrain(finished, verdict)

    page = write_index(Project.open(finished)).read_text()

    (listed,) = re.findall(r"<h2>Retrainings</h2>.*?</table>", page, re.DOTALL)
    told = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in listed.split("<tr>")[2:]]
    assert [(name, verdict, why) for name, _, verdict, _, why in told] == [
        ("small", "nothing new", "because nothing new"),
        ("small", "promoted", "because promoted"),
        ("small", "rejected", "because rejected"),
    ]


def retrain(project: Path, verdict: RetrainingVerdict) -> None:
    """Write the record of a retraining that ended so."""
    found = Retraining(champion=None, news=DataChanges(later=0), unjudged=0, verdict=verdict, why=f"because {verdict}")
    again(project, retraining=found)


def test_a_project_without_a_run_has_its_page_too(project: Path, command: Command) -> None:
    said = command("report")

    assert (said.status, said.err) == (0, "")
    assert rows(Path(said.out.strip())) == {"small": ["timeseries", "A few years of sunspots", ""]}


def test_a_run_without_its_pipeline_is_refused(project: Path, command: Command) -> None:
    said = command("report", "--run", "some")

    assert (said.status, said.out) == (2, "")
    assert said.err == "error: report --run some: name its pipeline too: gristmill report NAME --run some.\n"

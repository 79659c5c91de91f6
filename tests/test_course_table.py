"""The course table: its rows name pipelines, and show scores with the reason where ours are worse or missing."""

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import ROOT
from gristmill.config.catalogue import load
from gristmill.project.project import Project

pytest_plugins = ["helpers.end_to_end"]


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark's module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("course_table")


def row(course: ModuleType, code: list[float] | None = None, note: str = "", pipeline: str = "small") -> Any:
    """Return a row of two seeds, with scores of the course's code."""
    of_code = course.CourseCode(code, 100, "2026-11-25", "TensorFlow 2") if code else None
    return course.Row(4, "2", "Sunspots by one neuron", pipeline, "15.1", "its own months", 2, (), of_code, note)


def outcomes(course: ModuleType, *tests: float, higher_is_better: bool = False) -> Any:
    """Return the outcomes of the small pipeline, seed by seed."""
    found = [
        course.Outcome("mae", test, 21.5, "naive", higher_is_better, 3.0, "2026-11-26", "keras 3, tensorflow 2")
        for test in tests
    ]
    return {"small": {str(42 + at): one for at, one in enumerate(found)}}


def test_every_row_names_a_pipeline_of_the_catalogue_and_the_document_is_what_the_rows_give(course: ModuleType) -> None:
    rows = course.read_rows()

    assert {row.course for row in rows} == {1, 2, 3, 4}
    assert {row.pipeline for row in rows} <= load(ROOT).pipelines.keys()
    assert len({row.pipeline for row in rows}) == len(rows)
    assert course.text(rows, course.read_outcomes()) == (ROOT / "docs/course.md").read_text()


def test_the_table_shows_our_scores_beside_those_of_the_courses_code(course: ModuleType) -> None:
    text = course.text([row(course, [20.0, 22.0])], outcomes(course, 22.0, 24.0))

    assert (
        "| 2 | Sunspots by one neuron | small | mae 23 ± 1.4 (2 seeds) | 21 ± 1.4 (2 seeds, 100 epochs) | 15.1 | "
        "21.5 naive | 3 | 2026-11-26 |"
    ) in text
    assert "- Published on its own months: small.\n" in text
    assert "- gristmill's scores were measured with keras 3, tensorflow 2.\n" in text
    assert "- The course's code was run with TensorFlow 2 on 2026-11-25.\n" in text


@pytest.mark.parametrize(
    ("scores", "higher", "worse"),
    [([20.0, 21.0], False, False), ([22.0, 21.0], False, True), ([22.0, 21.0], True, False), ([], False, False)],
)
def test_a_row_that_is_worse_than_the_mean_of_the_courses_code_says_so_or_why(
    course: ModuleType, scores: list[float], higher: bool, worse: bool
) -> None:
    code, ours = row(course, [20.0, 22.0]), outcomes(course, *scores, higher_is_better=higher)

    assert ("gristmill is worse than the course's code; the reason" in course.text([code], ours)) is worse
    noted = course.text([replace(code, note="The test set is easy.")], ours)
    assert "- Sunspots by one neuron: The test set is easy.\n" in noted
    assert "not known yet" not in noted


def test_a_row_without_scores_says_so_and_one_that_lacks_a_seed_too(course: ModuleType) -> None:
    assert "- Sunspots by one neuron: not run.\n" in course.text([row(course)], {})
    assert "| mae 22 (1 of 2 seeds) |" in course.text([row(course)], outcomes(course, 22.0))


def test_scores_are_kept_for_later_calls(course: ModuleType, tmp_path: Path) -> None:
    found = outcomes(course, 22.0, 24.0)

    course.write_outcomes(found, tmp_path / "course.json")

    assert course.read_outcomes(tmp_path / "course.json") == found


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_row_is_run_with_each_seed_and_is_a_cache_hit_afterwards(
    course: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "ROOT", project)
    asked, runs = replace(row(course), settings=("train.epochs=1",)), Project.open(project).runs

    ran = course.run(asked, None)
    made = list(runs.newest_first("small"))

    assert list(ran) == ["42", "43"]
    assert {one.metric for one in ran.values()} == {"mae"}
    assert {record.settings["train"]["epochs"] for record in made} == {1}
    assert course.run(asked, None) == ran
    assert [record.id for record in runs.newest_first("small")] == [record.id for record in made]

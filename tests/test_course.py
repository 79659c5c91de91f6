"""`gristmill course` on a project of one row: run once, shown from the cache ever after."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Gristmill = Callable[..., subprocess.CompletedProcess[str]]

ROWS = """
[[rows]]
course = 4
week = "2"
what = "Sunspots, straight"
pipeline = "small"
seeds = 2
published = "15.1"
split = "its own months"
"""


@pytest.fixture
def course(project: Path) -> Path:
    """The project with one row, and what the course table of it is written to."""
    (project / "data").mkdir(exist_ok=True)
    (project / "data/course.toml").write_text(ROWS)
    return project / "docs/course.md"


@pytest.mark.slow
def test_a_row_is_run_once_and_then_shown_from_the_cache(
    gristmill: Gristmill, project: Path, course: Path, prefect_api: str
) -> None:
    before = gristmill("course", "--cached")
    assert (before.returncode, before.stderr) == (0, "")
    assert before.stdout.startswith("course 4  small                 not run yet.\npage ")
    assert not course.exists()  # it would be a table of dashes

    ran = gristmill("course", api=prefect_api)
    assert ran.returncode == 0, ran.stderr
    assert "trial      2 of 2: train.seed=43: mae" in ran.stderr
    told = course.read_text()
    assert "(2 seeds) | not run | 15.1 |" in told

    again = gristmill("course", PREFECT_API_URL="http://127.0.0.1:9/api")  # nothing listens there, nobody asks
    assert (again.returncode, again.stderr) == (0, "")
    assert course.read_text() == told
    assert "earlier run" not in again.stdout

    shutil.rmtree(project / "data/store/evaluate")
    kept = gristmill("course", "--cached")
    assert "seed 42, 43 of an earlier run (docs/course.json). Now: not run yet." in kept.stdout
    assert course.read_text() == told
    assert '<a href="small.trial.html">small</a>' in (project / "data/store/reports/_course.html").read_text()


@pytest.mark.slow
def test_a_row_that_cannot_be_run_says_why(gristmill: Gristmill, project: Path, course: Path, prefect_api: str) -> None:
    with (project / "series.csv").open("a") as file:
        file.write("someday,3.0\n")

    told = gristmill("course", api=prefect_api)

    assert told.returncode == 1
    assert told.stdout.startswith("course 4  small                 failed: DataError: ")
    assert "'someday'" in told.stdout


def test_rows_of_other_pipelines_are_unknown(gristmill: Gristmill, course: Path) -> None:
    told = gristmill("course", "smal")

    assert told.returncode == 2
    assert told.stderr == "error: course: unknown pipeline 'smal'. Did you mean 'small'? Known: small.\n"
    assert not course.exists()

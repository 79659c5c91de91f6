"""The course table: its rows, what became of them, and how they are shown."""

import re
from pathlib import Path

import pytest

from gristmill.config.catalogue import load
from gristmill.course.page import write_markdown, write_page
from gristmill.course.rows import (
    SAVED_FILE,
    CourseCode,
    CourseResult,
    CourseRow,
    read_saved,
    result,
    rows,
    trials,
    write_saved,
)
from gristmill.errors import RequestError
from gristmill.runs.scores import Headline, Scores
from gristmill.store.store import Store
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.sweeps.trials import Trial, seed_trials

ROOT = Path(__file__).parents[3]

ROW = """
[[rows]]
course = 4
week = "2"
what = "Sunspots by one neuron"
pipeline = "small"
seeds = 2
published = "15.1"
split = "its own months"
code = { scores = [20.0, 22.0], epochs = 100, date = 2026-11-25, versions = "TensorFlow 2" }
"""

LACKING = '{"small": {"42": {"scores": {}, "seconds": 1, "parameters": 1, "made": "", "versions": {}}}}'


def outcome(test: float, higher: bool = False) -> TrialScores:
    headline = Headline(metric="mae", model=test, baseline=21.5, higher_is_better=higher)
    scores = Scores(headline=headline, best_baseline="naive", model={"test": {"mae": test}})
    return TrialScores(scores, 3.0, 10, "2026-11-26T00:00:00", {"keras": "3.15.1", "tensorflow": "2.21.0"})


def by_seed(*outcomes: TrialScores) -> dict[int, TrialScores]:
    return dict(enumerate(outcomes, 42))


def row(project: Path, text: str = ROW) -> CourseRow:
    (project / "data").mkdir(exist_ok=True)
    (project / "data/course.toml").write_text(text)
    [found] = rows(project)
    return found


def test_every_row_of_the_course_names_a_pipeline_of_the_catalogue() -> None:
    known = load(ROOT).pipelines

    found = rows(ROOT)

    assert {row.course for row in found} == {1, 2, 3, 4}
    assert {row.pipeline for row in found} <= known.keys()
    assert len({row.pipeline for row in found}) == len(found)


def test_a_row_is_tried_with_as_many_seeds_as_it_asks_for(project: Path) -> None:
    asked: list[Trial] = []

    def tried(name: str, trials: list[Trial]) -> list[TrialScores | None]:
        asked.extend(trials)
        return [outcome(19.0), None]

    found = result(load(project), row(project), tried)

    assert [trial.assignments for trial in asked] == [["train.seed=42"], ["train.seed=43"]]
    assert found.tests == [19.0]
    assert found.missing == ""


def test_without_outcomes_a_row_says_why(project: Path) -> None:
    catalogue, asked = load(project), row(project)

    assert result(catalogue, asked, lambda _, trials: [None] * len(trials)).missing == "not run yet."
    (project / "series.csv").unlink()
    assert result(catalogue, asked, lambda _, trials: pytest.fail("tried without data")).missing == (
        "its data is not here (csv series.csv)."
    )


def test_an_earlier_outcome_stands_for_a_seed_that_has_none_here(project: Path) -> None:
    catalogue, asked = load(project), row(project)
    earlier = {seed: outcome(30.0 + seed) for seed in (43, 44)}

    partly = result(catalogue, asked, lambda *_: [outcome(19.0), None], earlier)
    assert (partly.tests, partly.saved, partly.missing) == ([19.0, 73.0], {43}, "")
    without = result(catalogue, asked, lambda *_: [None, None], earlier)
    assert (without.tests, without.saved, without.missing) == ([73.0], {43}, "not run yet.")
    (project / "series.csv").unlink()
    assert result(catalogue, asked, lambda *_: pytest.fail("tried without data"), earlier).tests == [73.0]


def test_the_figures_of_the_table_are_kept_in_the_project(project: Path) -> None:
    found = CourseResult(row(project), by_seed(outcome(22.0), outcome(24.0)))
    assert read_saved(project) == {}

    write_saved([found, CourseResult(row(project), {})], project)

    assert read_saved(project) == {"small": found.by_seed}
    shown = write_markdown([found], project).read_text()
    assert write_markdown([CourseResult(row(project), read_saved(project)["small"])], project).read_text() == shown


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"small": {"first": {}}}', '{"small": {"42": {"score": 1}}}', LACKING, "\udcff"]
)
def test_a_file_of_figures_that_does_not_hold_is_told(project: Path, text: str) -> None:
    (project / "docs").mkdir()
    (project / SAVED_FILE).write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(RequestError, match=r"course.json: not scores of the course table \(.+\). Restore it"):
        read_saved(project)


@pytest.mark.parametrize(
    ("scores", "higher", "worse"),
    [([20.0, 21.0], False, False), ([22.0, 21.0], False, True), ([22.0, 21.0], True, False), ([], False, False)],
)
def test_worse_is_worse_than_the_mean_of_the_courses_code(
    project: Path, scores: list[float], higher: bool, worse: bool
) -> None:
    assert CourseResult(row(project), by_seed(*(outcome(score, higher) for score in scores))).is_worse is worse


def test_a_row_without_code_of_the_course_is_not_worse(project: Path) -> None:
    assert not CourseResult(row(project, ROW[: ROW.index("code")]), by_seed(outcome(99.0))).is_worse


def test_mistakes_of_the_file_are_told_row_by_row(project: Path) -> None:
    with pytest.raises(RequestError, match=re.escape(f"{project / 'data/course.toml'}: cannot be read (No such file")):
        rows(project)
    with pytest.raises(RequestError) as raised:
        row(project, ROW + ROW.replace("week", "weak").replace("seeds = 2", "seeds = 0"))
    assert str(raised.value).splitlines() == [
        "data/course.toml row 2 week: missing. It has no default.",
        "data/course.toml row 2 unknown key 'weak'. Did you mean 'week'? "
        f"Known: {', '.join(sorted(CourseRow.model_fields))}.",
        "data/course.toml row 2 seeds: expected greater than 0. Received: 0 (integer).",
    ]
    with pytest.raises(RequestError, match="not valid TOML"):
        row(project, "[[rows]")


def test_the_table_shows_ours_beside_the_courses_code_and_says_what_is_worse(project: Path) -> None:
    found = CourseResult(row(project), by_seed(outcome(22.0), outcome(24.0)))

    text = write_markdown([found], project).read_text()

    assert (
        "| 2 | Sunspots by one neuron | small | mae 23 ± 1.4 (2 seeds) | 21 ± 1.4 (2 seeds, 100 epochs) | 15.1 | "
        "21.5 naive | 3 | 2026-11-26 |"
    ) in text
    assert "- Sunspots by one neuron: ours is worse than the course's code; the reason is not known yet.\n" in text
    assert "- Published on its own months: small.\n" in text
    assert "- Ours were made with keras 3.15.1, tensorflow 2.21.0.\n" in text
    assert "- The course's code was run with TensorFlow 2 on 2026-11-25.\n" in text


def test_a_note_explains_what_is_worse(project: Path) -> None:
    noted = row(project, ROW + 'note = "The test set is easy."\n')

    text = write_markdown([CourseResult(noted, by_seed(outcome(22.0)))], project).read_text()

    assert "- Sunspots by one neuron: The test set is easy.\n" in text
    assert "not known yet" not in text


def test_the_page_links_the_report_of_a_pipeline_that_has_one(project: Path) -> None:
    store = Store(project / "data/store")
    found = [CourseResult(row(project), by_seed(outcome(19.0)))]

    assert "<a " not in write_page(found, store).read_text()
    (store.root / "reports/small.trial.html").touch()
    assert '<a href="small.trial.html">small</a>' in write_page(found, store).read_text()


def test_code_of_the_course_has_at_least_one_score() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        CourseCode.model_validate({"scores": [], "epochs": 1, "date": "2026-11-25", "versions": ""})


def test_seeds_follow_the_pipelines_own(project: Path) -> None:
    catalogue = load(project, {"small": ["train.seed=7"]})

    assert [trial.seed for trial in seed_trials(catalogue, "small", 3)] == [7, 8, 9]


def test_the_trials_of_the_table_are_those_of_all_rows_and_none_where_there_is_no_table(project: Path) -> None:
    catalogue = load(project)

    assert list(trials(catalogue)) == []
    row(project)
    assert [(trial.pipeline.name, trial.seed) for trial in trials(catalogue)] == [("small", 42), ("small", 43)]

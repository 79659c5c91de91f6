"""A run as Python and notebooks look at it: frames, text, a cell of its own, and what is said of what is gone."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.project.project import Project
from gristmill.project.result import Result
from gristmill.util import files
from helpers.support import note_hashed

pytest_plugins = ["helpers.end_to_end"]

SHOWN = ["mae", "rmse", "mase", "wql", "skill", "coverage"]
BASELINES = {"autoregression", "drift", "ets", "moving_average", "naive"}


def lose(result: Result, stage: str) -> None:
    """Remove what a stage made, as `gristmill gc` does."""
    shutil.rmtree(result.folder(stage))


def test_scores_are_a_frame_of_the_model_and_then_the_baselines_from_the_best_on(finished: Path) -> None:
    result = Project.open().result("small")

    scores = result.scores

    model, *baselines = scores.index
    assert (model, set(baselines)) == ("model", BASELINES)
    assert scores["mae"].iloc[1:].is_monotonic_increasing
    assert scores.loc["model", "mae"] == result.evaluation["model"]["test"]["mae"]
    assert scores.loc["naive", "skill"] == 0
    assert result.scores_of("validation").loc["model", "mae"] == result.evaluation["model"]["validation"]["mae"]
    with pytest.raises(RequestError, match=r"of small: part 'train' was not scored\. Known: validation, test\.$"):
        result.scores_of("train")


def test_the_scores_are_those_of_the_predictions(finished: Path) -> None:
    result = Project.open().result("small")

    test = result.predictions.query("part == 'test'")

    for name in ("model", "naive"):
        assert (test["y"] - test[name]).abs().mean() == pytest.approx(result.scores.loc[name, "mae"])


def test_the_history_of_a_model_in_closed_form_has_no_epoch(finished: Path) -> None:
    history = Project.open().result("small").history

    assert len(history) == 0
    assert {"epoch", "loss"} <= set(history.columns)


def test_as_text_a_run_is_its_scores_and_what_was_made(finished: Path) -> None:
    result = Project.open().result("small")

    name, note, headings, model, *baselines = repr(result).splitlines()

    assert name == "small"
    assert re.fullmatch(
        rf"run {result.record.id}, succeeded, \d+\.\d s; made: ingest, preprocess, train, evaluate, export", note
    )
    assert headings.split() == ["scores", "validation", "mae", "test", *SHOWN]
    name, *shown = model.split()[:3]
    parts = [result.scores_of(part).loc["model", "mae"] for part in ("validation", "test")]
    assert (name, [float(cell) for cell in shown]) == ("model", pytest.approx(parts, rel=1e-3))
    assert len(baselines) == len(BASELINES)
    assert len({len(line) for line in (headings, model, *baselines)}) == 1  # aligned


def test_a_cell_shows_scores_and_the_forecast_and_changes_nothing_around_it(finished: Path) -> None:
    result = Project.open().result("small")

    cell = result._repr_html_()

    (style,) = re.findall(r"<style>(.*?)</style>", cell, re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+){", style) for one in rule.split(",")]
    assert selectors
    assert all(one.startswith(".gristmill-cell") for one in selectors)
    assert cell.count("<style") == cell.count("<svg") == 1  # the picture brings no style for the whole page
    first, *_ = re.findall(r'<tr class="marked"><td>(.*?)</tr>', cell.partition("<tbody>")[2])
    name, chosen_on, test, *_ = first.removesuffix("</td>").split("</td><td>")
    assert name == "model"
    assert float(chosen_on) == pytest.approx(result.scores_of("validation").loc["model", "mae"], rel=1e-3)
    assert float(test) == pytest.approx(result.scores.loc["model", "mae"], rel=1e-3)
    assert "currentColor" in cell
    assert str(finished) not in cell


def test_what_lies_untouched_is_hashed_once_however_often_it_is_looked_at(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MIN_AGE_NS", 0)  # as if the store had rested
    result = Project.open().result("small")
    result._repr_html_()
    hashed = note_hashed(monkeypatch)

    assert "<svg" in result._repr_html_()
    assert len(result.scores) == 1 + len(BASELINES)
    assert hashed == []
    scores = result.folder("evaluate") / "scores.json"
    scores.write_text(scores.read_text().replace("mae", "mse"))
    with pytest.raises(CorruptArtifact, match="altered since it was published"):
        _ = result.scores


def test_of_a_run_whose_data_was_collected_the_cell_shows_the_scores(finished: Path) -> None:
    result = Project.open().result("small")
    lose(result, "preprocess")

    assert "<svg" not in result._repr_html_()
    assert "<td>autoregression</td>" in result._repr_html_()


def test_of_a_run_whose_scores_were_collected_it_is_told_that_they_are_gone(finished: Path) -> None:
    result = Project.open().result("small")
    lose(result, "evaluate")

    assert "manifest.json" in repr(result)
    assert len(repr(result).splitlines()) == 2
    assert "<table" not in result._repr_html_()
    assert result.headline is None
    with pytest.raises(CorruptArtifact, match=r"manifest\.json"):
        _ = result.scores


def test_of_a_run_that_got_nowhere_there_is_its_outcome_and_nothing_to_read(finished: Path) -> None:
    project = Project.open()
    begun = project.runs.start(project.catalogue.pipeline("small"), [], {})
    project.runs.finish("small", begun.id, "failed", error="DataError: series.csv: no row")

    result = project.result("small", begun.id)

    _name, note = repr(result).splitlines()
    assert note.startswith(f"run {begun.id}, failed: DataError: series.csv: no row, ")
    assert note in result._repr_html_()
    with pytest.raises(RequestError, match=rf"^run {begun.id} of small: it has no result of export\. Known: none\.$"):
        _ = result.bundle
    assert project.result("small").record.id != begun.id


@pytest.mark.slow
def test_a_result_is_looked_at_without_tensorflow_or_prefect_and_without_pandas_until_a_frame_is_asked_for(
    finished: Path,
) -> None:
    script = """
import sys
heavy = ("keras", "matplotlib", "numpy", "pandas", "prefect", "pyarrow", "tensorflow")
from gristmill import Project
result = Project.open().run("small")
assert "naive" in repr(result) and result.headline and result.bundle.is_dir()
assert [name for name in heavy if name in sys.modules] == []
assert result.scores.index[0] == "model" and "<svg" in result._repr_html_()
assert [name for name in heavy if name in sys.modules and name in ("keras", "prefect", "tensorflow")] == []
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_gives_the_project_and_nothing_else_of_its_own() -> None:
    import gristmill

    assert gristmill.Project is Project
    with pytest.raises(AttributeError, match=r"^module 'gristmill' has no attribute 'Projekt'$"):
        _ = gristmill.Projekt

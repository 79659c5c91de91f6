"""The command `check`: does a pipeline's network learn, and which tests of the ML Test Score does the pipeline pass?"""

import itertools
import logging
from typing import TYPE_CHECKING

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import Json, Name
from gristmill.config import stages
from gristmill.config.catalogue import Pipeline
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.runs import plan
from gristmill.runs.locations import fetch_missing
from gristmill.training.keras_backend import import_keras

if TYPE_CHECKING:
    from gristmill.checks.evidence import Evidence
    from gristmill.checks.ml_test_score import ScoredTest
    from gristmill.checks.overfit_check import Check, Trainee


def check(name: Name, as_json: Json = False) -> None:
    """Check that a pipeline's network learns, and alike each time; tell which tests of the ML Test Score it passes.

    Trains for some seconds on what the last run prepared, and keeps nothing. Exit 1: the network learns nothing by
    heart, or trains otherwise the second time.
    """
    project = Project.open()
    with progress_bar.working("data", "reading"):
        trainee = _trainee(project, project.catalogue.pipeline(name))
        import_keras()
    logging.getLogger("gristmill.training.fit").setLevel(logging.WARNING)  # which tells of trainings that are kept
    from gristmill.checks import evidence, ml_test_score, overfit_check

    found = []
    for one in progress_bar.each(overfit_check.checks(trainee), "check"):
        found.append(one)
        if not as_json:
            _tell(one.verdict, one.name, one.measured)
    with progress_bar.working("rubric"):
        seen = evidence.gather(project.catalogue, name, found)
        judged = ml_test_score.judge(seen)
    output.show_json(_as_json(name, found, judged)) if as_json else _show_rubric(seen, judged)
    raise typer.Exit(1 if any(one.decides and one.verdict == "failed" for one in found) else 0)


def _trainee(project: Project, pipeline: Pipeline) -> "Trainee":
    """Return the train stage with what it reads.

    Raises:
        RequestError: what it reads is not up to date.
        CorruptArtifact: it is damaged.
    """
    from gristmill.checks.overfit_check import Trainee

    (stage,) = (stage for stage in stages.stages_of(pipeline.domain, pipeline.tables) if stage.name == "train")
    folders = {}
    for step in project.plan(pipeline.name):
        if step.stage not in stage.inputs:
            continue
        if step.artifact is None:
            raise RequestError(
                f"{step.stage} of {pipeline.name} is not up to date ({step.reason}), and check trains on what it left. "
                f"Run first: gristmill run {pipeline.name}."
            )
        folders[step.stage] = project.store.open_verified(step.artifact.reference).path
    tables = {name: pipeline.tables[name] for name in stage.tables}
    fetch_missing(tables.values(), project.catalogue.root)
    located = plan.locate_inputs(project.catalogue, pipeline, stage).values()
    return Trainee(pipeline.domain, tables, folders, tuple(file for found in located for file in found.files))


def _show_rubric(seen: "Evidence", judged: "list[ScoredTest]") -> None:
    """Print the 28 tests by section, how many pass, and what the paper makes of that."""
    from gristmill.checks import ml_test_score

    typer.echo("\nML Test Score (Breck et al. 2017): what is seen of this pipeline")
    if seen.left and not seen.left.fresh:
        typer.echo(
            f"Its last run, {seen.left.record.id}, is not up to date: gristmill plan {seen.pipeline.name} says why."
        )
    for section, tests in itertools.groupby(judged, lambda one: one.section):
        typer.echo(f"\n{section}")
        for one in tests:
            _tell(one.finding.verdict, f"{one.number} {one.asks}", one.finding.told)
    points = ml_test_score.points(judged)
    by_hand = sum(one.finding.verdict == "by hand" for one in judged)
    score = min(points.values())
    sections = ", ".join(f"{section} {count}" for section, count in points.items())
    typer.echo(f"\n{sum(points.values())} of {len(judged)} automatically, {by_hand} by hand")
    typer.echo(
        f"score {score}, the lowest of {sections}: {ml_test_score.meaning(score)}. "
        "A test that a person does, and writes down, counts half a point more."
    )


def _tell(verdict: str, what: str, told: str) -> None:
    typer.echo(f"{verdict:14}  {what}\n{'':16}{told}")


def _as_json(name: str, checks: "list[Check]", judged: "list[ScoredTest]") -> dict[str, object]:
    from gristmill.checks import ml_test_score

    points = ml_test_score.points(judged)
    tests = [
        {
            "section": one.section,
            "number": one.number,
            "asks": one.asks,
            "verdict": one.finding.verdict,
            "told": one.finding.told,
        }
        for one in judged
    ]
    return {
        "pipeline": name,
        "checks": [vars(one) for one in checks],
        "tests": tests,
        "points": points,
        "score": min(points.values()),
    }

"""The command `check`: whether a pipeline's network learns, and its ML Test Score."""

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
from gristmill.training import progress
from gristmill.training.keras_backend import import_keras

if TYPE_CHECKING:
    from gristmill.checks.evidence import Evidence
    from gristmill.checks.ml_test_score import ScoredTest
    from gristmill.checks.overfit_check import TrainStage


def check(name: Name, as_json: Json = False) -> None:
    """Check that a pipeline's network learns and trains reproducibly, and show its ML Test Score.

    It trains for a few seconds on the preprocessed data of the last run, and saves nothing. The exit status is 1 if the
    network cannot overfit a few examples, or if a second training gives a different result.
    """
    project = Project.open()
    with progress_bar.working("data", "reading"):
        stage = _train_stage(project, project.catalogue.pipeline(name))
        import_keras()
    logging.getLogger("gristmill.training.fit").setLevel(logging.WARNING)  # its messages are about trainings to keep
    from gristmill.checks import evidence, ml_test_score, overfit_check

    with progress_bar.working():
        progress.report_work("check")
        checks = list(overfit_check.checks(stage))
        gathered = evidence.gather(project.catalogue, name, checks)
    tests = ml_test_score.run_tests(gathered)
    points = ml_test_score.points(tests)
    if as_json:
        shown = [
            {"section": test.section, "number": test.number, "title": test.title, **vars(test.result)} for test in tests
        ]
        document = {"pipeline": name, "checks": [vars(one) for one in checks], "tests": shown, "points": points}
        output.show_json(document | {"score": min(points.values())})
    else:
        for check_ in checks:
            _show(check_.verdict, check_.name, check_.measured)
        _show_tests(gathered, tests, points)
    raise typer.Exit(1 if any(one.required and one.verdict == "failed" for one in checks) else 0)


def _train_stage(project: Project, pipeline: Pipeline) -> "TrainStage":
    """Return the train stage with its inputs, which must be up to date."""
    from gristmill.checks.overfit_check import TrainStage

    fitting = [one for one in stages.stages_of(pipeline.domain, pipeline.tables) if one.name == "train"]
    stage = next((one for one in fitting if not hasattr(one.settings["model"], "fit")), fitting[0])  # a network
    folders = {}
    for step in project.plan(pipeline.name):
        if step.stage not in stage.inputs:
            continue
        if step.artifact is None:
            raise RequestError(
                f"{step.stage} of {pipeline.name} is not up to date ({step.reason}), and check trains on its result. "
                f"Run first: gristmill run {pipeline.name}."
            )
        folders[step.stage] = project.store.open_verified(step.artifact.reference).path
    fetch_missing(stage.settings.values(), project.catalogue.root)
    located = plan.locate_inputs(project.catalogue, pipeline, stage).values()
    return TrainStage(
        pipeline.domain, dict(stage.settings), folders, tuple(file for found in located for file in found.files)
    )


def _show_tests(evidence: "Evidence", tests: "list[ScoredTest]", points: dict[str, int]) -> None:
    """Print the 28 tests by section, how many pass, and how the paper describes the score."""
    from gristmill.checks import ml_test_score

    typer.echo("\nML Test Score (Breck et al. 2017) of this pipeline")
    if evidence.last_run and not evidence.last_run.fresh:
        typer.echo(
            f"Its last run, {evidence.last_run.record.id}, is not up to date: gristmill plan {evidence.pipeline.name} "
            "says why."
        )
    for section, found in itertools.groupby(tests, lambda test: test.section):
        typer.echo(f"\n{section}")
        for test in found:
            _show(test.result.verdict, f"{test.number} {test.title}", test.result.details)
    by_hand = sum(test.result.verdict == "by hand" for test in tests)
    score = min(points.values())
    sections = ", ".join(f"{section} {count}" for section, count in points.items())
    typer.echo(f"\n{sum(points.values())} of {len(tests)} pass automatically, {by_hand} are by hand")
    typer.echo(
        f"score {score}, the lowest of {sections}: {ml_test_score.meaning(score)}. "
        "A test that a person does and documents counts half a point more."
    )


def _show(verdict: str, title: str, details: str) -> None:
    typer.echo(f"{verdict:14}  {title}\n{'':16}{details}")

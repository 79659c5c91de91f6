"""The command `check`: whether a pipeline's network learns, and trains reproducibly."""

import logging
from typing import TYPE_CHECKING

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import Json, Name, open_project
from gristmill.errors import RequestError
from gristmill.training import progress
from gristmill.training.keras_backend import import_keras

if TYPE_CHECKING:
    from gristmill.checks.overfit_check import TrainStage
    from gristmill.config.catalogue import Pipeline
    from gristmill.project.project import Project


def check(name: Name, as_json: Json = False) -> None:
    """Check that a pipeline's network learns and trains reproducibly.

    It trains for a few seconds on the preprocessed data of the last run, and saves nothing. The exit status is 1 if the
    network cannot overfit a few examples, or if a second training gives a different result.
    """
    project = open_project()
    with progress_bar.working("data", "reading"):
        stage = _train_stage(project, project.catalogue.pipeline(name))
        import_keras()
    logging.getLogger("gristmill.training.fit").setLevel(logging.WARNING)  # its messages are about trainings to keep
    from gristmill.checks import overfit_check

    with progress_bar.working():
        progress.report_work("check")
        checks = list(overfit_check.checks(stage))
    if as_json:
        output.show_json({"pipeline": name, "checks": [vars(result) for result in checks]})
    else:
        for result in checks:
            typer.echo(f"{result.verdict:14}  {result.name}\n{'':16}{result.measured}")
    raise typer.Exit(1 if any(result.required and result.verdict == "failed" for result in checks) else 0)


def _train_stage(project: "Project", pipeline: "Pipeline") -> "TrainStage":
    """Return the train stage with its inputs, which must be up to date."""
    from gristmill.checks.overfit_check import TrainStage
    from gristmill.config import stages
    from gristmill.runs.identity import stage_files

    fitting = [stage for stage in stages.stages_of(pipeline.domain, pipeline.tables) if stage.name == "train"]
    networks = [stage for stage in fitting if not hasattr(stage.settings["model"], "fit")]
    stage = (networks or fitting)[0]
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
    return TrainStage(pipeline.domain, dict(stage.settings), folders, stage_files(project.catalogue, pipeline, stage))

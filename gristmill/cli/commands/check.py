"""The command `check`: whether a pipeline's network learns, and trains reproducibly."""

import logging
from typing import TYPE_CHECKING

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.open_project import open_project
from gristmill.cli.options import Json, Name
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
        output.show_json({"pipeline": name, "checks": [vars(one) for one in checks]})
    else:
        for one in checks:
            typer.echo(f"{one.verdict:14}  {one.name}\n{'':16}{one.measured}")
    raise typer.Exit(1 if any(one.required and one.verdict == "failed" for one in checks) else 0)


def _train_stage(project: "Project", pipeline: "Pipeline") -> "TrainStage":
    """Return the train stage with its inputs, which must be up to date."""
    from gristmill.checks.overfit_check import TrainStage
    from gristmill.config import stages
    from gristmill.runs.identity import stage_files

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
    return TrainStage(pipeline.domain, dict(stage.settings), folders, stage_files(project.catalogue, pipeline, stage))

"""The commands `schema` and `check`: whether data follows its schema, and whether a network learns from it."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Json, Name, open_project
from gristmill.errors import RequestError, count_of
from gristmill.training import progress
from gristmill.training.keras_backend import import_keras
from gristmill.util.files import write_atomically

if TYPE_CHECKING:
    from gristmill.checks.overfit_check import TrainStage
    from gristmill.config.catalogue import Pipeline
    from gristmill.project.project import Project


def schema(
    name: Name,
    write: Annotated[bool, typer.Option("--write", help="Write a schema proposed from the current data.")] = False,
) -> None:
    """Print the schema of a pipeline's data, and check the current data against it.

    The exit status is 1 if the data violates the schema.
    """
    from gristmill.config.tables import schema_file

    # Print the schema that there is.
    catalogue = open_project().catalogue
    pipeline = catalogue.pipeline(name)
    file = catalogue.root / schema_file(name)
    if write and file.exists():
        raise RequestError(f"{file}: exists already. Edit it, or remove it to have another one proposed.")
    if not write:
        if not file.exists():
            raise RequestError(f"{file}: does not exist. Have one proposed: gristmill schema {name} --write.")
        typer.echo(file.read_text(encoding="utf-8"))

    # Check the data against it, or propose one.
    from gristmill.data_schema.current_data import as_toml, ingested_today, propose

    with progress_bar.working("data", "reading"), ingested_today(catalogue, pipeline) as (folder, sizes):
        counts = ", ".join(count_of(count, what.replace("_", " ")) for what, count in sizes.items())
        proposal = propose(pipeline.domain, folder, pipeline.tables["ingest"]) if write else {}
    if write:
        text = as_toml(name, counts, proposal)
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, text)  # an incomplete schema would stop every command
        typer.echo(text)
        console.say(f"written to {file}: edit and commit it; from now on ingest rejects data that breaks it")
    else:
        typer.echo(f"Today's data follows the schema: {counts}.")


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

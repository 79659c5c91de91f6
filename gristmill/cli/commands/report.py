"""The command `report`: an HTML page of one run, or of all pipelines."""

from typing import Annotated

import typer

from gristmill.cli import progress_bar
from gristmill.cli.options import pipelines_like
from gristmill.errors import RequestError
from gristmill.project.overview_page import write_index
from gristmill.project.project import Project
from gristmill.training import progress


def report(
    name: Annotated[
        str | None,
        typer.Argument(help="A pipeline of pipelines.toml; default: all.", autocompletion=pipelines_like),
    ] = None,
    run: Annotated[str | None, typer.Option(help="ID of the run.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Render the report on a run, or without a name the page of all pipelines, and print its path."""
    if run and not name:
        raise RequestError(f"report --run {run}: name its pipeline too: gristmill report NAME --run {run}.")
    with progress_bar.working("report"):
        project = Project.open()
        if name:
            record = project.record(name, run)
            progress.report_work("report")
        path = project.report(record) if name else write_index(project)
    typer.echo(path)
    if open_:
        typer.launch(str(path))

"""The command `compare`: two runs of a pipeline side by side."""

from typing import Annotated

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import Json, Name
from gristmill.project.project import Project

_RUN = "ID of a run, or a version such as v3. By default, the last two runs with different models are used."


def compare(
    name: Name,
    first: Annotated[str | None, typer.Argument(metavar="RUN", help=_RUN)] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run or version to compare the first one with.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Render an HTML page with the learning curves.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Render the page and open it in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs: settings, data, scores and training side by side."""
    with progress_bar.working("runs", "reading"):
        found = Project.open().compare(name, first, second)
        document, path = found.document, found.page if page or open_ else None
    if as_json:
        output.show_json(document)
    else:
        output.show_sections(found.sections)
    if path and not as_json:
        output.show_report(path)
    if open_:
        typer.launch(str(path))

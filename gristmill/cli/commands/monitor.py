"""The commands on logged predictions: `monitor` and `truth`."""

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Json, Name, open_project

_MAX_GROUPS = 7  # of each kind, on the terminal
_SHRINK = [("", 24), ("coverage", 0)]  # for a narrow terminal


def monitor(name: Name, as_json: Json = False) -> None:
    """Show the error, coverage and drift of the logged predictions, by day, version and slice."""
    with progress_bar.working("log", "reading"):
        from gristmill.project.monitoring import monitor
        from gristmill.reports.monitoring import score_table, write_monitoring

        project = open_project()
        monitoring = monitor(project, name)
    if as_json:
        output.show_json(monitoring.as_json())
        return
    typer.echo(monitoring.headline)
    output.show_table(score_table(monitoring, _MAX_GROUPS), _SHRINK)
    for alarm in monitoring.drift.alarms or ["none"]:
        console.write(f"alarm   {alarm}")
    description = project.catalogue.pipeline(name).description
    output.show_report(write_monitoring(monitoring, description, project.store))


def truth(
    name: Name,
    file: Annotated[
        Path,
        typer.Option("--file", metavar="FILE", help="A .csv, .jsonl or .parquet file with the IDs and the target."),
    ],
) -> None:
    """Add the true values for predicted rows, texts or photos, which are identified by their IDs."""
    with progress_bar.working("log", "reading"):
        count = open_project().add_truth(name, file)
    typer.echo(f"{name}: the truth of {count:,} predicted rows was added")

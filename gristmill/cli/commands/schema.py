"""The command `schema`: what a pipeline's data must hold, and whether it does today."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import Name
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.schema_files import schema_file
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.util.files import write_atomically


def schema(
    name: Name,
    write: Annotated[bool, typer.Option("--write", help="Propose one from today's data, and write it.")] = False,
) -> None:
    """Print the schema kept with a pipeline, and hold today's data against it.

    Exit 1: the data breaks it.
    """
    catalogue = Project.open().catalogue
    pipeline = catalogue.pipeline(name)
    file = catalogue.root / schema_file(name)
    if write:
        _write(catalogue, pipeline, file)
        typer.echo(file.read_text(encoding="utf-8"))
        output.say(f"written to {file}: edit it, and commit it; from now on ingest refuses data that breaks it")
        return
    if not file.exists():
        raise RequestError(f"{file}: there is none. Have one proposed: gristmill schema {name} --write.")
    typer.echo(file.read_text(encoding="utf-8"))
    from gristmill.data_schema.today import ingested_today

    with progress_bar.working("data", "reading"), ingested_today(catalogue, pipeline) as data:
        told = _told(data.counts)
    typer.echo(f"Today's data holds it: {told}.")


def _write(catalogue: Catalogue, pipeline: Pipeline, file: Path) -> None:
    """Propose a schema from today's data.

    Raises:
        RequestError: there is one.
        DataError: the data is not there, or cannot be used.
    """
    if file.exists():
        raise RequestError(f"{file}: is there already. Edit it, or remove it to have another proposed.")
    from gristmill.data_schema.today import ingested_today
    from gristmill.data_schema.writing import as_toml, propose

    with progress_bar.working("data", "reading"), ingested_today(catalogue, pipeline) as data:
        proposal = propose(pipeline.domain, data.folder, pipeline.tables["ingest"])
    file.parent.mkdir(exist_ok=True)
    write_atomically(file, as_toml(pipeline.name, _told(data.counts), proposal))  # half of one stops every command


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())

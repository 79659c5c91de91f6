"""The command `schema`: print or propose the schema of a pipeline's data, and check the data."""

from typing import Annotated

import typer

from gristmill.cli import console, progress_bar
from gristmill.cli.options import Name, open_project
from gristmill.errors import RequestError, count_of
from gristmill.util.files import write_atomically


def schema(
    name: Name,
    write: Annotated[bool, typer.Option("--write", help="Write a schema proposed from the current data.")] = False,
) -> None:
    """Print the schema of a pipeline's data, and check the current data against it.

    The exit status is 1 if the data violates the schema.
    """
    from gristmill.config.schema_files import schema_file

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
    from gristmill.data_schema.today import as_toml, ingested_today, propose

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

"""The command `schema`: what a pipeline's data must hold, and whether it does today."""

from collections.abc import Mapping
from pathlib import Path

import typer

from gristmill import screen
from gristmill.arguments import Name
from gristmill.config import Pipeline
from gristmill.errors import RequestError
from gristmill.expectations.reading import schema_file
from gristmill.project import Project


def schema(name: Name) -> None:
    """Print the schema kept with a pipeline, and hold today's data against it; propose one where there is none.

    Exit 1: the data breaks it.
    """
    project = Project.open()
    pipeline = project.catalogue.pipeline(name)
    file = project.catalogue.root / schema_file(name)
    if not file.exists():
        _write(project, pipeline, file)
        typer.echo(file.read_text(encoding="utf-8"))
        screen.say(f"written to {file}: edit it, and commit it; from now on ingest refuses data that breaks it")
        return
    typer.echo(file.read_text(encoding="utf-8"))
    from gristmill.expectations.today import ingest_today

    typer.echo(f"Today's data holds it: {_told(ingest_today(project.catalogue, pipeline))}.")


def _write(project: Project, pipeline: Pipeline, file: Path) -> None:
    """Propose a schema from what the last successful run ingested.

    Raises:
        RequestError: there is none, or it read the data by other settings than those of today.
    """
    from gristmill.expectations.writing import as_toml, propose

    record = project.record(pipeline.name)
    if record.settings["ingest"] != pipeline.values()["ingest"]:
        raise RequestError(
            f"the last run of {pipeline.name} read its data by another table 'ingest' than today's. "
            f"Run: gristmill run {pipeline.name}."
        )
    artifact = project.store.open(record.references["ingest"])
    proposal = propose(pipeline.domain, artifact.path, pipeline.tables["ingest"])
    file.parent.mkdir(exist_ok=True)
    file.write_text(as_toml(pipeline.name, _told(artifact.counts), proposal), encoding="utf-8")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())

"""What several commands of the command line take, and what a shell completes them to."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer

from gristmill.config import catalogue
from gristmill.config import stages as domains
from gristmill.errors import GristmillError, RequestError


def number_of(version: str) -> int:
    """Return the number of a version, given as 3 or v3.

    Raises:
        RequestError: given otherwise.
    """
    if not re.fullmatch(r"v?[1-9]\d*", version):
        raise RequestError(f"version {version!r}: expected a number, such as 3 or v3.")
    return int(version.removeprefix("v"))


def pipelines_like(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the pipelines whose name begins so, with what they are about; none where `pipelines.toml` does not hold."""
    with suppress(GristmillError):
        for pipeline in catalogue.load().pipelines.values():
            if pipeline.name.startswith(incomplete):
                yield pipeline.name, pipeline.description


def stages_like(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield the stages whose name begins so, of the pipelines that the command names."""
    stages = (stage for pipeline in _named(ctx) for stage in domains.stages_of(pipeline.domain, pipeline.tables))
    yield from dict.fromkeys(stage.name for stage in stages if stage.name.startswith(incomplete))


def settings_like(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield the settings whose `TABLE.KEY=` begins so, of the pipelines that the command names."""
    tables = (item for pipeline in _named(ctx) for item in pipeline.tables.items())
    keys = (f"{name}.{key}=" for name, table in tables for key in type(table).model_fields)
    yield from dict.fromkeys(key for key in keys if key.startswith(incomplete))


def _named(ctx: typer.Context) -> Iterator[catalogue.Pipeline]:
    """Yield the pipelines among a command's words, which stay unread while its last option has no value yet."""
    with suppress(GristmillError):
        known = catalogue.load().pipelines
        yield from (known[word] for word in ctx.args if word in known)


Name = Annotated[str, typer.Argument(help="A pipeline of pipelines.toml.", autocompletion=pipelines_like)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="TABLE.KEY=VALUE", help="Override a setting for this call.", autocompletion=settings_like
    ),
]
Refresh = Annotated[
    str | None,
    typer.Option(metavar="STAGE", help="Do this stage again, even if its result is there.", autocompletion=stages_like),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many at a time, each in a process of its own; as [runner] says if not given, else one."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ByVersion = Annotated[
    int | None, typer.Option("--version", metavar="N", parser=number_of, help="Not by the champion but by this one.")
]

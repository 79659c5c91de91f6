"""What commands share: options with their shell completion, and the project."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.config.pipelines_file import find_project_folder, read_toml
from gristmill.errors import GristmillError, RequestError
from gristmill.util.gc_freeze import gc_frozen

if TYPE_CHECKING:
    from gristmill.config.catalogue import Pipeline
    from gristmill.project.project import Project


def open_project(overrides: Mapping[str, list[str]] | None = None) -> "Project":
    """Open the project around the current folder, as `Project.open` does; completion and help do not need it."""
    with gc_frozen():
        from gristmill.project.project import Project
    return Project.open(overrides=overrides)


def number_of(version: str) -> int:
    """Return the number of a version, given as 3 or v3."""
    if not re.fullmatch(r"v?[1-9]\d*", version):
        raise RequestError(f"version {version!r}: expected a number, such as 3 or v3.")
    return int(version.removeprefix("v"))


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration, given as 90s, 2m or "2 minutes"."""
    from gristmill.settings.schedule import parse_duration

    try:
        return parse_duration(duration).total_seconds()
    except ValueError as error:
        raise RequestError(f"--budget {duration}: expected {error}.") from None


def pipelines_like(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield names of pipelines for completion, with descriptions. Nothing is validated, since a shell waits."""
    with suppress(GristmillError):
        tables = read_toml(find_project_folder()).get("pipelines")
        for name, table in tables.items() if isinstance(tables, dict) else ():
            if name.startswith(incomplete):
                yield name, str(table.get("description", "")) if isinstance(table, dict) else ""


def stages_like(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield stages of the pipelines in the command for completion."""
    from gristmill.config import stages

    pipelines = _pipelines(ctx)
    known = (stage.name for pipeline in pipelines for stage in stages.stages_of(pipeline.domain, pipeline.tables))
    yield from dict.fromkeys(name for name in known if name.startswith(incomplete))


def settings_like(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield `TABLE.KEY=` of the pipelines in the command for completion."""
    tables = (item for pipeline in _pipelines(ctx) for item in pipeline.tables.items())
    keys = (f"{name}.{key}=" for name, table in tables for key in type(table).model_fields)
    yield from dict.fromkeys(key for key in keys if key.startswith(incomplete))


def _pipelines(ctx: typer.Context) -> "Iterator[Pipeline]":
    """Yield the pipelines among the command's words, which are not parsed while its last option has no value."""
    from gristmill.config import catalogue

    with suppress(GristmillError):
        known = catalogue.load().pipelines
        yield from (known[word] for word in ctx.args if word in known)


def pipelines_argument(help: str, metavar: str = "NAME") -> Any:  # noqa: A002 - as in typer
    """Return an argument that names one pipeline or several."""
    return typer.Argument(help=help, metavar=metavar, autocompletion=pipelines_like)


def version_argument(about: str, metavar: str = "VERSION") -> Any:
    """Return an argument that is the number of a version."""
    return typer.Argument(help=about, metavar=metavar, parser=number_of)


Name = Annotated[str, pipelines_argument("Name of a pipeline in pipelines.toml.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="TABLE.KEY=VALUE", help="Override a setting for this call.", autocompletion=settings_like
    ),
]
Refresh = Annotated[
    str | None,
    typer.Option(metavar="STAGE", help="Run this stage again, even if it is cached.", autocompletion=stages_like),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, max=1024, metavar="N", help="Number of worker processes. The default is the number in [runner], or 1."
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=seconds_of,
        help="Time for the run of an auto model, such as 2m. A later run tries candidates for which it was too short.",
    ),
]
Accept = Annotated[
    bool, typer.Option("--accept", help="Use new data even if it breaks a rule for arrivals; the run records this.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[
    str | None, typer.Option(metavar="ID", help="ID of a run. The default is the last successful run without --set.")
]
AsOf = Annotated[
    int | None,
    typer.Option(
        "--as-of",
        metavar="VERSION",
        parser=number_of,
        help="Train this version again with its own data and settings, and compare the weights. Nothing is promoted. "
        "The exit status is 3 if they differ.",
    ),
]
ByVersion = Annotated[
    int | None,
    typer.Option("--version", metavar="N", parser=number_of, help="Use this version instead of the champion."),
]

"""The command `init`: propose a first `pipelines.toml` from the data."""

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gristmill.cli import console, progress_bar
from gristmill.config.domains import DOMAINS, unknown_domain
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.errors import RequestError
from gristmill.util.toml import toml_value

if TYPE_CHECKING:
    from gristmill.scaffold.proposal import Proposal

Preset = Literal["quick", "good", "best"]

_MAX_VALUE_LENGTH = 2000
_MAX_VALUE_WIDTH = 40  # of the column of values
_VALUE_WIDTH, _REASON_WIDTH = 16, 40  # where a terminal has no room for longer values next to their reasons
_MIN_REASON_WIDTH = 20  # also on a narrow terminal


def init(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR", help="Project folder to create. Without --data, the data: the folder is named after it."
        ),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(
            help=f"One of: {', '.join(DOMAINS)}. By default, init chooses it from the data.",
            autocompletion=lambda incomplete: [domain for domain in DOMAINS if domain.startswith(incomplete)],
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER|URL", help="File, folder or URL of the data. Only a file at a URL is copied."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the pipeline. By default, the name of the file.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column to predict. By default, init guesses it.")
    ] = None,
    preset: Annotated[
        Preset, typer.Option(help="Preset of models to try: quick has the fewest, best the most.")
    ] = "quick",
    horizon: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Time series: number of values to forecast.")
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(metavar="N|SHARE", help="Time series: size of the test set. A value below 1 is a share."),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Time series: column that identifies the series. Can be repeated. By default, init guesses it.",
        ),
    ] = None,
) -> None:
    """Inspect data and write a pipelines.toml that is ready to run, with a reason for each guess."""
    if domain is not None and domain not in DOMAINS:
        raise RequestError(f"--domain: {unknown_domain(domain)}")
    if not data and folder and _is_data(folder):
        folder, data = None, folder
    if not data:
        raise _missing_data(folder)
    project = Path(folder) if folder else _folder_named_after(data, name)

    # Read the data, propose a pipeline, and write it.
    with progress_bar.working("data", "reading"), TemporaryDirectory() as downloads:
        from gristmill.scaffold.choose_domain import propose
        from gristmill.scaffold.data import data_at, naming_url
        from gristmill.scaffold.proposal import (
            check_new_project,
            keep_downloads,
            pipeline_name,
            write_project,
        )

        check_new_project(project)
        source = data_at(data, project, Path(downloads))
        pipeline = pipeline_name(name, source.name)
        options = {"horizon": horizon, "test": test, "series": tuple(series or ())}
        with naming_url(source):
            proposal = propose(source, domain, target, options).with_preset(preset)
        path = write_project(project, pipeline, proposal)
        keep_downloads(project, Path(downloads))

    # Print the guesses with their reasons, and the next command.
    if not folder:
        typer.echo(f"data     {data}: the project's folder is {project}\n")
    for line in proposal_lines(proposal, console.terminal_width()):
        typer.echo(line)
    typer.echo(f"\n{console.wrapped(f'written  {path}, with a reason for each guess. Check the guesses.', ' ' * 9)}")
    for line in _advice(project, pipeline):
        typer.echo(console.wrapped(line, " " * 9))
    change_folder = "" if project.resolve() == Path.cwd() else f"cd {shlex.quote(str(project))} && "
    typer.echo(f"next     {change_folder}gristmill run {pipeline}")


def _is_data(argument: str) -> bool:
    """Return whether the only argument names data, which a project's folder does not: a URL, a pattern or a file."""
    is_version = Path(argument).suffix[1:].isdigit()  # v1.2
    return "://" in argument or bool(Path(argument).suffix and not is_version) or Path(argument).is_file()


def _missing_data(folder: str | None) -> RequestError:
    """Return the error for a request without data, with the command to use."""
    may_hold_data = folder and Path(folder).resolve() != Path.cwd() and Path(folder).is_dir()
    words = (
        f"PROJECT --data {shlex.quote(folder)}" if folder and may_hold_data else f"{folder or 'PROJECT'} --data FILE"
    )
    return RequestError(f"--data: missing. Name the file, folder or URL of the data: gristmill init {words}.")


def _folder_named_after(data: str, name: str | None) -> Path:
    """Return the folder of a project without a requested one; raise `RequestError` if something has its name."""
    from gristmill.scaffold.proposal import pipeline_name

    folder = Path(pipeline_name(name, data.rstrip("/").rpartition("/")[2]))
    if folder.is_file():
        folder = Path(f"{folder}_project")  # the data itself is named so
    if folder.exists():
        raise RequestError(
            f"{folder}: exists already, so the project is not named after its data. Name a folder: gristmill init "
            "PROJECT --data FILE."
        )
    return folder


def _advice(project: Path, pipeline: str) -> Iterator[str]:
    """Yield what to do about a `.gitignore` that lacks the store, and about a project around the new one."""
    from gristmill.scaffold.proposal import STORE_FOLDER, is_store_ignored, outer_project

    if not is_store_ignored(project):
        yield f"git      {project / '.gitignore'} is kept: add {STORE_FOLDER}, so that git ignores the store"
    if outer := outer_project(project):
        yield (
            f"warning  {outer} is a project, too, and commands use the nearest one. To have only one, paste the "
            f"[pipelines.{pipeline}] tables into {outer / PIPELINES_FILE}, correct relative paths, and delete {project}"
        )


def proposal_lines(proposal: "Proposal", width: int | None) -> Iterator[str]:
    """Yield what was found and guessed, with reasons in a column; `width` is that of the terminal, if there is one.

    The reason for a value that is wider than its column follows on a line of its own.
    """
    for line in (proposal.summary, *proposal.notes):
        yield from _wrap_after("", line, width, "  ") if width else [line]

    # Collect keys, values and reasons, and choose the widths of their columns.
    rows = [("domain", toml_value(proposal.domain), proposal.why)] if proposal.why else []
    for table, guesses in proposal.tables.items():
        for guess in guesses:
            value = toml_value(guess.value)
            shown = value if len(value) <= _MAX_VALUE_LENGTH else f"{value[: _MAX_VALUE_LENGTH - 1]}…"
            rows += [(f"{table}.{guess.key}", shown, guess.why)] if guess.why else []
    key_width, value_width = (max(len(row[at]) for row in rows) for at in (0, 1))
    value_width = min(value_width, _MAX_VALUE_WIDTH)
    if width:
        value_width = min(value_width, max(_VALUE_WIDTH, width - key_width - 4 - _REASON_WIDTH))

    # Wrap the reasons, and the values that are wider than their column.
    indent = " " * (key_width + value_width + 4)
    for key, value, why in rows:
        before = f"{key:{key_width}}  {value:{value_width}}  "
        if width is None:
            yield before + why
            continue
        if len(before) > len(indent):
            yield from _wrap_after(f"{key:{key_width}}  ", value, width, " " * (key_width + 2))
            before = indent
        yield from _wrap_after(before, why, max(width, len(indent) + _MIN_REASON_WIDTH), indent)


def _wrap_after(prefix: str, text: str, width: int, indent: str) -> list[str]:
    """Return a text after a prefix, wrapped to a width; further lines begin with the indent."""
    return textwrap.wrap(
        text, width, initial_indent=prefix, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )

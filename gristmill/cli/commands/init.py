"""The command `init`: propose a first `pipelines.toml` from the data."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gristmill.cli import console, progress_bar
from gristmill.config.domains import DOMAINS, unknown_domain
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
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Project folder to create.")],
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
    if not data:
        raise RequestError("--data: missing. Name the file or folder with the data, or its URL.")

    # Read the data, propose a pipeline, and write it.
    with progress_bar.working("data", "reading"), TemporaryDirectory() as downloads:
        from gristmill.scaffold.choose_domain import propose
        from gristmill.scaffold.data import data_at, naming_url
        from gristmill.scaffold.proposal import (
            STORE_FOLDER,
            check_new_project,
            is_store_ignored,
            keep_downloads,
            pipeline_name,
            write_project,
        )

        check_new_project(folder)
        source = data_at(data, folder, Path(downloads))
        pipeline = pipeline_name(name, source.name)
        options = {"horizon": horizon, "test": test, "series": tuple(series or ())}
        with naming_url(source):
            proposal = propose(source, domain, target, options).with_preset(preset)
        path = write_project(folder, pipeline, proposal)
        keep_downloads(folder, Path(downloads))

    # Print the guesses with their reasons, and the next command.
    for line in proposal_lines(proposal, console.terminal_width()):
        typer.echo(line)
    typer.echo(f"\nwritten  {path}, with a reason for each guess. Check the guesses.")
    if not is_store_ignored(folder):
        typer.echo(f"git      {folder / '.gitignore'} is kept: add {STORE_FOLDER}, so that git ignores the store")
    change_folder = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    typer.echo(f"next     {change_folder}gristmill run {pipeline}")


def proposal_lines(proposal: "Proposal", width: int | None) -> Iterator[str]:
    """Yield what was found and guessed, with reasons in a column; `width` is that of the terminal, if there is one.

    The reason for a value that is wider than its column follows on a line of its own.
    """
    from gristmill.scaffold.proposal import wrap_after

    for line in (proposal.summary, *proposal.notes):
        yield from wrap_after("", line, width, "  ") if width else [line]

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
            yield from wrap_after(f"{key:{key_width}}  ", value, width, " " * (key_width + 2))
            before = indent
        yield from wrap_after(before, why, max(width, len(indent) + _MIN_REASON_WIDTH), indent)

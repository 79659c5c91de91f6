"""The command `init`: a first `pipelines.toml` from a look at the data."""

import importlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import progress_bar
from gristmill.config.catalogue import toml_value
from gristmill.errors import RequestError
from gristmill.settings.messages import unknown_name

if TYPE_CHECKING:
    from gristmill.scaffold.proposal import Proposal

DOMAINS = ("tabular", "text", "timeseries", "vision")  # each of which has a module in `scaffold`

_LONGEST = 40  # characters of a value that are shown
_NARROWEST = 20  # characters that the reasons get, however narrow the terminal


def domains_like(incomplete: str) -> list[str]:
    """Return the domains whose name begins so."""
    return [domain for domain in DOMAINS if domain.startswith(incomplete)]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project; made if it is not there.")],
    domain: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(DOMAINS)}.", autocompletion=domains_like)
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE|FOLDER", help="What to learn from; it stays where it is.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the pipeline; the file's if not given.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="To forecast, to predict or of classes; guessed if not given.")
    ] = None,
) -> None:
    """Look at data and write a first pipelines.toml that runs as it is; each guess says what it rests on."""
    if domain not in DOMAINS:
        problem = unknown_name("domain", domain, DOMAINS) if domain else f"missing. Known: {', '.join(DOMAINS)}."
        raise RequestError(f"--domain: {problem}")
    if not data:
        raise RequestError("--data: missing. Name the file or the folder to learn from.")
    with progress_bar.working("data", "reading"):
        from gristmill.scaffold import write
        from gristmill.scaffold.data import data_at

        write.refuse_existing(folder)
        found = data_at(data, folder)
        pipeline = write.pipeline_name(name, found.called)
        draft: Proposal = importlib.import_module(f"gristmill.scaffold.{domain}").propose(found, target)
        path = write.write_project(folder, pipeline, draft)
    for line in told(draft, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
        typer.echo(line)
    typer.echo(f"\nwritten  {path}, with each guess explained: change what is wrong")
    if not write.is_store_ignored(folder):
        typer.echo(f"git      {folder / '.gitignore'} is kept: add {write.IGNORED}, or git sees all that runs make")
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    typer.echo(f"next     {there}gristmill run {pipeline}")


def told(draft: "Proposal", width: int | None) -> Iterator[str]:
    """Yield what was seen and what was guessed from it, the reasons in a column of their own.

    Args:
        draft: what is proposed.
        width: characters of a line, if it is a terminal's.
    """
    from gristmill.scaffold.proposal import hanging

    yield from (draft.seen, *draft.notes)
    rows = [
        (f"{table}.{guess.key}", _shortened(toml_value(guess.value)), guess.why)
        for table, guesses in draft.tables.items()
        for guess in guesses
        if guess.why
    ]
    setting, value = (max(len(row[at]) for row in rows) for at in (0, 1))
    for row in rows:
        before = f"{row[0]:{setting}}  {row[1]:{value}}  "
        if width is None:
            yield before + row[2]
        else:
            yield from hanging(before, row[2], max(width, len(before) + _NARROWEST), " " * len(before))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

"""The command `help`."""

from typing import Annotated, Any

import typer


def help(  # noqa: A001 - the name of the command
    ctx: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(metavar="COMMAND", help="Name of a command. By default, the general help is printed."),
    ] = None,
) -> None:
    """Print the help of gristmill or of one command."""
    parent: Any = ctx.parent
    if command is None:
        typer.echo(parent.get_help())
        return
    target = parent.command.find_command(parent, command)
    with target.make_context(command, [], parent=parent, resilient_parsing=True) as context:
        typer.echo(context.get_help())

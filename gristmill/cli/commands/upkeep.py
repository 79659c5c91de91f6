"""The commands `verify`, `gc`, `doctor` and `help`: check and clean up the store, check the environment."""

from collections import Counter
from typing import Annotated, Any

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import open_project, pipelines_argument
from gristmill.errors import count_of
from gristmill.training import progress

_MAX_PIPELINES = 3  # whose versions take the most space


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Restore damaged files or move them aside.")] = False,
) -> None:
    """Verify the hashes of all files in the store, and check that every version of a model can still serve.

    The exit status is 1 if something is damaged or, with --repair, cannot be repaired.
    """
    with progress_bar.working():
        progress.report_work("verify")
        verdicts = open_project().verify(repair)
    damaged = [verdict for verdict in verdicts if verdict.damage]
    for verdict in damaged:
        typer.echo(f"{verdict.damage} {verdict.repair}".rstrip())
    counts = {"artifact": 0} | Counter(verdict.kind for verdict in verdicts)
    verified = ", ".join(f"{count} {kind}s" for kind, count in counts.items())
    typer.echo(f"{verified} verified, {len(damaged)} damaged.")
    if any(verdict.kind != "version" for verdict in damaged) and not repair:
        typer.echo(
            "Run `gristmill verify --repair` to move them aside (bundles only if the store cannot restore them); "
            "the next run makes them again."
        )
    raise typer.Exit(1 if any(not verdict.repair for verdict in damaged) else 0)


def gc(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False) -> None:
    """Remove artifacts that no recent run or version needs."""
    from gristmill.maintenance.local import data_of_versions

    with progress_bar.working():
        progress.report_work("gc")
        project = open_project()
        garbage = project.collect(dry_run)
        kept = data_of_versions(project.store)
    for item in garbage:
        typer.echo(f"{item.bytes / 1024:>10,.0f} KiB  {item.path}  ({item.reason})")
    freed = sum(item.bytes for item in garbage) / 2**20
    typer.echo(f"{'Would free' if dry_run else 'Freed'} {freed:.1f} MiB in {count_of(len(garbage), 'items')}.")
    for name, (versions, size) in sorted(kept.items(), key=lambda item: -item[1][1])[:_MAX_PIPELINES]:
        typer.echo(f"{size / 1024:>10,.0f} KiB  kept: data of {count_of(versions, 'versions')} of {name}")


def doctor(
    names: Annotated[list[str] | None, pipelines_argument("Names of pipelines whose data must be available.")] = None,
    notify: Annotated[bool, typer.Option("--notify", help="Send a test message to the receiver in [notify].")] = False,
) -> None:
    """Check the versions, store, Prefect, devices, notifications and data.

    The exit status is 1 if something required is missing.
    """
    from gristmill.cli.doctor import examine

    project = open_project()
    for name in names or []:
        project.catalogue.pipeline(name)
    with progress_bar.working():
        progress.report_work("doctor")
        diagnoses = list(examine(project, names or [], notify))
    output.show_diagnoses(diagnoses)
    raise typer.Exit(1 if any(diagnosis.sound is False for diagnosis in diagnoses) else 0)


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

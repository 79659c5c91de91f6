"""The commands `verify`, `gc` and `doctor`: is the store whole, what of it is needed no more, is the machine fit."""

from collections import Counter
from typing import Annotated

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import pipelines_like
from gristmill.project.project import Project
from gristmill.training import progress


def verify(repair: Annotated[bool, typer.Option("--repair", help="Restore or move aside.")] = False) -> None:
    """Hash everything in the store; exit 1 if something is damaged, or with --repair if something cannot be mended."""
    with progress_bar.working():
        progress.report_work("verify")
        verdicts = Project.open().verify(repair)
    damaged = [verdict for verdict in verdicts if verdict.damage]
    for verdict in damaged:
        typer.echo(f"{verdict.damage} {verdict.repair}".rstrip())
    counts = {"artifact": 0} | Counter(verdict.kind for verdict in verdicts)
    verified = ", ".join(f"{count} {kind}s" for kind, count in counts.items())
    typer.echo(f"{verified} verified, {len(damaged)} damaged.")
    if damaged and not repair:
        typer.echo(
            "Run `gristmill verify --repair` to move them aside, bundles only where the store cannot restore them; "
            "the next run makes its own again."
        )
    raise typer.Exit(1 if any(not verdict.repair for verdict in damaged) else 0)


def gc(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False) -> None:
    """Remove artifacts that no recent run and no version needs."""
    with progress_bar.working():
        progress.report_work("gc")
        found = Project.open().collect(dry_run)
    for item in found:
        typer.echo(f"{item.bytes / 1024:>10,.0f} KiB  {item.path}  ({item.reason})")
    freed = sum(item.bytes for item in found) / 2**20
    typer.echo(f"{'Would free' if dry_run else 'Freed'} {freed:.1f} MiB in {len(found)} items.")


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pipelines whose data must be there; tells where it was sought.", autocompletion=pipelines_like
        ),
    ] = None,
) -> None:
    """Look at versions, store, Prefect, devices and data; exit 1 if something needed is missing."""
    from gristmill.cli.doctor import examine

    project = Project.open()
    for name in names or []:
        project.catalogue.pipeline(name)
    with progress_bar.working():
        progress.report_work("doctor")
        findings = list(examine(project, names or []))
    output.show_findings(findings)
    raise typer.Exit(1 if any(finding.sound is False for finding in findings) else 0)

"""The commands that retrain pipelines on a Prefect server: `deploy`, `schedule`, `updated`."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from gristmill.cli import progress_bar
from gristmill.cli.options import Name, pipelines_argument
from gristmill.config.catalogue import Catalogue, Pipeline, load
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.deployment import prefect_file as deployments
from gristmill.deployment.dockerfile import write_dockerfile
from gristmill.errors import RequestError, count_of
from gristmill.prefect_runtime.schedule_announcement import find_running_schedule
from gristmill.prefect_runtime.server import ensure_api, ensure_named_api, named_api, use_api
from gristmill.settings.schedule import has_ended
from gristmill.util.files import write_atomically
from gristmill.util.processes import terminate_on_interrupt
from gristmill.util.urls import strip_credentials

logger = logging.getLogger(__name__)


def deploy(
    pool: Annotated[
        str | None, typer.Option(help="Name of the Prefect work pool. By default, pool of the table [deploy].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change on the server, and change nothing.")
    ] = False,
    write_only: Annotated[
        bool, typer.Option("--write-only", help="Write the file without contacting a server.")
    ] = False,
    dockerfile: Annotated[
        bool, typer.Option("--dockerfile", help="Write a Dockerfile of the project, and nothing else.")
    ] = False,
) -> None:
    """Write prefect.yaml, compare it with the Prefect server at PREFECT_API_URL, and change what differs."""
    if dry_run + write_only + dockerfile > 1:
        raise RequestError("deploy: use one of --dry-run, --write-only and --dockerfile.")
    catalogue = load()

    # Write files only, if asked to.
    if dockerfile:
        for path in write_dockerfile(catalogue):
            typer.echo(f"wrote {path}")
        return
    _check_rules(catalogue.pipelines.values())
    if write_only:
        _write_prefect_file(catalogue, pool)
        return

    # Compare the server with the file.
    with progress_bar.working():
        url = ensure_named_api("deploy")
        logger.info("comparing with %s", url)
        from gristmill.prefect_runtime.deploy import plan as plan_deployments  # late: it loads Prefect

        plan = plan_deployments(catalogue, pool)
    for line in (*plan.changes, *plan.notes):
        typer.echo(str(line))
    if not dry_run:
        _write_prefect_file(catalogue, pool)
    if dry_run or not plan.changes:
        changes = count_of(len(plan.changes), "changes")
        todo = f"{changes}, not made (--dry-run)" if plan.changes else "nothing to change"
        typer.echo(f"{todo}; up to date: {count_of(plan.unchanged, 'deployments')}")
        return

    # Change the server, and say what it does now.
    logger.info("applying %s", count_of(len(plan.changes), "changes"))
    with progress_bar.working():
        plan.apply()
    scheduled = list(filter(_is_scheduled, catalogue.pipelines.values()))
    automatic = f", {len(scheduled)} of them with automatic retraining" if scheduled else ""
    typer.echo(f"deployed {count_of(len(catalogue.pipelines), 'pipelines')}{automatic}")
    for pipeline in scheduled:
        typer.echo(_line(pipeline))
    typer.echo(f"start a worker to run them: prefect worker start --pool {pool or catalogue.deploy.pool}")


def _write_prefect_file(catalogue: Catalogue, pool: str | None) -> None:
    file = catalogue.root / deployments.PREFECT_FILE
    content = deployments.prefect_yaml(catalogue, pool)
    if not file.exists() or file.read_text(encoding="utf-8") != content:
        write_atomically(file, content)
        typer.echo(f"wrote {file}")


def schedule(
    names: Annotated[
        list[str] | None, pipelines_argument("Names of pipelines. By default, all pipelines with a [schedule].")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Maximum number of pipelines to retrain at the same time.")
    ] = 1,
) -> None:
    """Retrain pipelines on their schedules in this process, without a worker, until you interrupt it."""
    catalogue = load()
    pipelines = _scheduled(catalogue, names)
    _check_rules(pipelines)
    terminate_on_interrupt()
    with progress_bar.working():
        named = named_api()
        url = ensure_api(schedules=True)
    for pipeline in pipelines:
        typer.echo(_line(pipeline))
    typer.echo(f"api  {strip_credentials(url)}")
    typer.echo(f"Prefect's page {strip_credentials(url).removesuffix('/api')} (Ctrl-C stops it)")
    from gristmill.tasks.serve_schedules import serve_schedules  # late: it loads Prefect

    serve_schedules(catalogue, pipelines, limit, None if named else url)


def updated(name: Name) -> None:
    """Tell Prefect that a pipeline's data has changed, so that it is retrained if its schedule has on_event = true."""
    catalogue = load()
    if not catalogue.pipeline(name).schedule.on_event:
        raise RequestError(
            f"[pipelines.{name}.schedule] on_event is not set, so nothing waits for the event. "
            "Set it to true and deploy again."
        )
    with progress_bar.working():
        # Without a server in the settings, use that of the `gristmill schedule` that retrains the pipeline.
        if not named_api():
            running = find_running_schedule(catalogue.store)
            if running is None:
                raise RequestError(
                    f"updated: no gristmill schedule uses the store {catalogue.store.root}, and PREFECT_API_URL is not "
                    "set. Start gristmill schedule, or set PREFECT_API_URL to a server's address, such as "
                    "http://127.0.0.1:4200/api."
                )
            if name not in running.pipelines:
                raise RequestError(
                    f"updated: the running gristmill schedule (process {running.pid}) retrains "
                    f"{', '.join(running.pipelines)}, but not {name}. Restart it with {name} included."
                )
            use_api(running.api)
        ensure_named_api("updated")
    from gristmill.prefect_runtime.deployed_runs import emit_data_updated  # late: it loads Prefect

    emit_data_updated(name)
    typer.echo(f"{deployments.DATA_UPDATED_EVENT} emitted for {deployments.pipeline_resource(name)}")


def _line(pipeline: Pipeline) -> str:
    return f"{pipeline.name}-retrain {deployments.describe_schedule(pipeline.schedule)}"


def _scheduled(catalogue: Catalogue, names: list[str] | None) -> list[Pipeline]:
    """Return the named pipelines, which must have a schedule, or all that have one."""
    scheduled = []
    for pipeline in [catalogue.pipeline(name) for name in names or catalogue.pipelines]:
        if _is_scheduled(pipeline):
            scheduled.append(pipeline)
        elif names:
            raise RequestError(
                f"[pipelines.{pipeline.name}.schedule] has no schedule. "
                "Set cron, interval or rrule, or on_event = true."
            )
    if not scheduled:
        raise RequestError(
            "no pipeline has a schedule. Add a table [pipelines.NAME.schedule] with cron, interval or rrule."
        )
    return scheduled


def _check_rules(pipelines: Iterable[Pipeline]) -> None:
    """Check that no rule has ended. Reading the file allows it: other commands must not fail from that day on."""
    for pipeline in pipelines:
        rule, zone = pipeline.schedule.rrule, ZoneInfo(pipeline.schedule.timezone)
        if rule and has_ended(rule, datetime.now(zone).replace(tzinfo=None)):
            raise RequestError(
                f"{PIPELINES_FILE} [pipelines.{pipeline.name}.schedule] rrule: expected a rule that has not ended. "
                f"Received: {rule!r}. Use a later UNTIL or a larger COUNT (counted from 2020-01-01), or remove the "
                "rule."
            )


def _is_scheduled(pipeline: Pipeline) -> bool:
    return deployments.describe_schedule(pipeline.schedule) != "when asked"

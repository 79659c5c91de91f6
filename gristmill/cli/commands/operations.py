"""The commands that have a Prefect server keep a project fresh: `deploy`, `schedule`, `updated`."""

import logging
from typing import Annotated

import typer

from gristmill.cli import progress_bar
from gristmill.cli.options import Name, pipelines_like
from gristmill.config import deployments
from gristmill.config.catalogue import Catalogue, Pipeline, load
from gristmill.errors import RequestError
from gristmill.prefect_runtime import schedule_announcement
from gristmill.prefect_runtime.entrypoints import import_own
from gristmill.prefect_runtime.server import ensure_api, ensure_named_api, named_api, use_api
from gristmill.util.files import write_atomically
from gristmill.util.processes import terminate_on_interrupt
from gristmill.util.urls import strip_credentials

logger = logging.getLogger(__name__)

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Pipelines; all that have a [schedule] if not given.", autocompletion=pipelines_like),
]


def deploy(
    pool: Annotated[str, typer.Option(help="The work pool whose workers run them.")] = deployments.DEFAULT_WORK_POOL,
    notify: Annotated[
        str | None, typer.Option(metavar="TYPE/NAME", help="A notification block of Prefect's, told of late runs.")
    ] = None,
    write_only: Annotated[bool, typer.Option("--write-only", help="Write the file, talk to no server.")] = False,
) -> None:
    """Write prefect.yaml and apply it to the Prefect server that PREFECT_API_URL names."""
    catalogue = load()
    file = catalogue.root / deployments.PREFECT_FILE
    write_atomically(file, deployments.prefect_yaml(catalogue, pool).encode())
    typer.echo(f"wrote {file}")
    if write_only:
        return
    with progress_bar.working():
        url = ensure_named_api("deploy")
    logger.info("applying it to %s", url)
    import_own("tasks.deploying").deploy(catalogue.root, pool, notify)
    waiting = [pipeline for pipeline in catalogue.pipelines.values() if _waits(pipeline)]
    typer.echo(f"deployed {len(catalogue.pipelines)} pipelines, of which {len(waiting)} are retrained without asking")
    for pipeline in waiting:
        typer.echo(_told(pipeline))
    typer.echo(f"a worker runs them: prefect worker start --pool {pool}")


def schedule(
    names: Names = None,
    limit: Annotated[int, typer.Option(min=1, help="Retrainings at a time.")] = 1,
) -> None:
    """Retrain pipelines by their schedules in this process, until it is interrupted; no worker is needed."""
    catalogue = load()
    pipelines = _scheduled(catalogue, names)
    terminate_on_interrupt()
    with progress_bar.working():
        named = named_api()
        url = ensure_api(schedules=True)
    for pipeline in pipelines:
        typer.echo(_told(pipeline))
    typer.echo(f"api  {strip_credentials(url)}")
    typer.echo(f"Prefect's page {strip_credentials(url).removesuffix('/api')} (Ctrl-C ends it)")
    import_own("tasks.scheduling").keep_fresh(catalogue, pipelines, limit, None if named else url)


def updated(name: Name) -> None:
    """Tell Prefect that a pipeline's data has changed: it is retrained where its [schedule] has on_event = true."""
    catalogue = load()
    if not deployments.schedule_of(catalogue.pipeline(name)).on_event:
        raise RequestError(
            f"[pipelines.{name}.schedule] on_event is not set, so nothing waits for the event. "
            "Set it to true and deploy again."
        )
    with progress_bar.working():
        if not named_api():
            use_api(_api_of_schedule(catalogue, name))
        ensure_named_api("updated")
    import_own("tasks.events").data_updated(name)
    typer.echo(f"{deployments.DATA_UPDATED_EVENT} emitted for {deployments.pipeline_resource(name)}")


def _api_of_schedule(catalogue: Catalogue, name: str) -> str:
    """Return the address of the temporary server of the `gristmill schedule` that retrains a pipeline."""
    found = schedule_announcement.find(catalogue.store)
    if found is None:
        raise RequestError(
            f"updated: no gristmill schedule uses the store {catalogue.store.root}, and PREFECT_API_URL is not set. "
            "Start gristmill schedule, or set PREFECT_API_URL to a server's address, such as http://127.0.0.1:4200/api."
        )
    if name not in found.pipelines:
        raise RequestError(
            f"updated: the running gristmill schedule (process {found.pid}) retrains {', '.join(found.pipelines)}, "
            f"but not {name}. Restart it with {name} included."
        )
    return found.api


def _told(pipeline: Pipeline) -> str:
    return f"{pipeline.name}-retrain {deployments.describe_schedule(deployments.schedule_of(pipeline))}"


def _scheduled(catalogue: Catalogue, names: list[str] | None) -> list[Pipeline]:
    """Return the pipelines to retrain: those named, each of which must have a schedule, or all that have one."""
    asked = [catalogue.pipeline(name) for name in names or catalogue.pipelines]
    found = [pipeline for pipeline in asked if _waits(pipeline)]
    if names and len(found) < len(asked):
        missing = next(pipeline.name for pipeline in asked if not _waits(pipeline))
        raise RequestError(
            f"[pipelines.{missing}.schedule] says no time. Set cron, interval or rrule, or on_event = true."
        )
    if not found:
        raise RequestError(
            "no pipeline has a schedule. Give one a table [pipelines.NAME.schedule] with cron, interval or rrule."
        )
    return found


def _waits(pipeline: Pipeline) -> bool:
    schedule = deployments.schedule_of(pipeline)
    return bool(schedule.cron or schedule.interval or schedule.rrule or schedule.on_event)

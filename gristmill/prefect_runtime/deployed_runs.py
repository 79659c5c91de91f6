"""Runs of a deployment: one whose process is killed starts once more, and those that wait for their turn are merged.

Events tell the server of changed data and of the end of a run. If the deployment fetches the project before each run,
such as from git, the store must not be in the copy.
"""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.events import Event, Resource, emit_event, get_events_client
from prefect.flows import Flow
from prefect.states import Cancelled

from gristmill.config.catalogue import Catalogue
from gristmill.deployment.prefect_file import DATA_UPDATED_EVENT, IMAGE_FOLDER, RUN_ENDED_EVENT, TAG, pipeline_resource
from gristmill.errors import WorkError
from gristmill.prefect_runtime.api_errors import best_effort, one_line_api_errors

_RUNS_TO_NAME = 10  # of a schedule; Prefect creates three ahead, or those of an hour
_RESTART = "restart"  # tag of a run that is started because the process of another was killed
_FETCHING_STEPS = re.compile(r"(.*\.)?(a?git_clone|pull_\w+)")  # of Prefect and its integrations


def is_deployed() -> bool:
    """Return whether this flow run was started by a deployment, not by a command."""
    own = _own_run()
    return own is not None and own.deployment_id is not None


def restarts_if_killed() -> bool:
    """Return whether the program that started this flow run starts it once more if its process is killed."""
    own = _own_run()
    return own is not None and own.deployment_id is not None and _RESTART not in own.tags


def restart_once(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """Start a deployed run whose process was killed once more; a hook, which Prefect runs outside that process.

    The worker marks the killed run as crashed after its hooks, so this creates a new run. A tag on the new run prevents
    a third start.
    """
    if flow_run.deployment_id and _RESTART not in flow_run.tags:
        with get_client(sync_client=True) as client:
            restart(client, flow_run.deployment_id, flow_run.parameters)


def restart(client: SyncPrefectClient, deployment: UUID, parameters: dict[str, Any]) -> None:
    """Start a run of a deployment in place of one that was killed."""
    client.create_flow_run_from_deployment(deployment, parameters=parameters, tags=[_RESTART])


def cancel_waiting_runs() -> None:
    """Cancel the due runs of this run's deployment that have its parameters: it reads all data that they would read.

    Runs that become due later stay, so events during a run, however many, lead to one more.
    """
    own = _own_run()
    if own is None or own.deployment_id is None:
        return
    due = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
    waiting = _scheduled_runs(own.deployment_id).model_copy(update={"expected_start_time": due})
    with best_effort(), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=waiting):
            if run.parameters == own.parameters:
                client.set_flow_run_state(run.id, Cancelled(message=f"The run {own.id} reads the same data."))
        name_scheduled_runs(client, own.deployment_id, own.name)


def name_scheduled_runs(client: SyncPrefectClient, deployment: UUID, name: str) -> None:
    """Name the next runs that a schedule has created.

    Prefect gives them random names, and a flow names its run when it starts. Runs that a trigger creates get their name
    only then.
    """
    for run in client.read_flow_runs(
        flow_run_filter=_scheduled_runs(deployment),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=_RUNS_TO_NAME,
    ):
        if run.auto_scheduled and run.name != name:
            client.update_flow_run(run.id, name=name)


def _scheduled_runs(deployment: UUID) -> FlowRunFilter:
    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )


def check_store_outlasts_run(catalogue: Catalogue) -> None:
    """Raise `WorkError` if the store is in a copy of the project that a pull step of the run's deployment has made.

    A process worker deletes the copy when the run ends, and a container ends with it. Even in a permanent folder the
    copy is replaced when git cannot update it.
    """
    store, project = catalogue.store, catalogue.root
    if store.remote or not store.root.resolve().is_relative_to(project.resolve()):
        return
    folders = [store.root, *store.root.parents]
    is_mounted = project in folders and any(folder.is_mount() for folder in folders[: folders.index(project) + 1])
    if project == Path(IMAGE_FOLDER) and not is_mounted:
        raise WorkError(
            f"{store.root}: this store is in the container, and would be lost with it. Mount a folder there, or set "
            "[defaults] store to a URL such as s3://bucket/prefix."
        )
    # Look for a pull step that has fetched the project for this run.
    own = _own_run()
    if own is None or own.deployment_id is None:
        return
    with get_client(sync_client=True) as client:
        steps = client.read_deployment(own.deployment_id).pull_steps or []
    if step := next((name for step in steps for name in step if _FETCHING_STEPS.fullmatch(name)), None):
        raise WorkError(
            f"{store.root}: this store is in the copy of the project that the deployment's pull step {step} has made, "
            "and would be lost with it. Set GRISTMILL_STORE where the worker starts to the absolute path of a folder "
            "outside of the copy, or [defaults] store to a URL such as s3://bucket/prefix."
        )


def _own_run() -> FlowRun | None:
    context = FlowRunContext.get()
    return context.flow_run if context else None


def emit_data_updated(pipeline: str) -> None:
    """Emit the event that a pipeline's data has changed, and wait until the server has received it."""
    event = Event(event=DATA_UPDATED_EVENT, resource=Resource({"prefect.resource.id": pipeline_resource(pipeline)}))

    async def emit() -> None:
        async with get_events_client(checkpoint_every=1) as client:
            await client.emit(event)

    with one_line_api_errors():
        asyncio.run(emit())


def with_end_hooks(flow: Flow[..., Any]) -> Flow[..., Any]:
    """Return a flow that emits an event when a run ends, and starts once more if its process is killed.

    Prefect's own event comes much later.
    """
    return flow.with_options(on_completion=[_emit_run_ended], on_failure=[_emit_run_ended], on_crashed=[restart_once])


def _emit_run_ended(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    emit_event(
        RUN_ENDED_EVENT,
        resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}"},
        related=[{"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}],
    )

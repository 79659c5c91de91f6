"""Events about changed data and ended runs, and hooks for the end of a run."""

import asyncio
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event, Resource, emit_event, get_events_client
from prefect.flows import Flow

from gristmill.config.deployments import DATA_UPDATED_EVENT, RUN_ENDED_EVENT, TAG, pipeline_resource
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from tasks.deployed_runs import restart_once


def emit_data_updated(pipeline: str) -> None:
    """Emit the event that a pipeline's data has changed, and wait until the server has received it."""
    event = Event(event=DATA_UPDATED_EVENT, resource=Resource({"prefect.resource.id": pipeline_resource(pipeline)}))
    with one_line_api_errors():
        asyncio.run(_emit(event))


async def _emit(event: Event) -> None:
    async with get_events_client(checkpoint_every=1) as client:
        await client.emit(event)


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

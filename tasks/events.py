"""Events that tell Prefect of a pipeline's data, and of a run's end."""

import asyncio
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event, Resource, emit_event, get_events_client
from prefect.flows import Flow

from gristmill.config.deployments import DATA_UPDATED_EVENT, RUN_ENDED_EVENT, TAG, pipeline_resource
from gristmill.prefect_runtime.api_errors import refusals_told


def data_updated(pipeline: str) -> None:
    """Emit the event that a pipeline's data has changed, and wait until the server has it."""
    with refusals_told():
        asyncio.run(
            _emit(
                Event(event=DATA_UPDATED_EVENT, resource=Resource({"prefect.resource.id": pipeline_resource(pipeline)}))
            )
        )


def telling_its_end(flow: Flow[..., Any]) -> Flow[..., Any]:
    """Return a flow that tells what looks after its runs that one has ended: Prefect tells it much later."""
    return flow.with_options(on_completion=[tell_end], on_failure=[tell_end])


def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """Emit the event that a run is over, as a hook of its flow."""
    emit_event(
        RUN_ENDED_EVENT,
        resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}"},
        related=[{"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}],
    )


async def _emit(event: Event) -> None:
    async with get_events_client(checkpoint_every=1) as client:
        await client.emit(event)

"""Automations on a Prefect server that look after our runs when a worker or a process is killed.

Prefect's triggers hold a run's changes of state back for a quarter of an hour where the run came from a schedule: they
wait for an event about its making, which Prefect does not emit. So nothing here waits for such a change alone.
"""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from gristmill.config.deployments import HEARTBEAT_SECONDS, RUN_ENDED_EVENT, TAG
from gristmill.errors import RequestError

SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
COMING_BACK = timedelta(minutes=10)  # that a work pool may be without a worker before somebody is told

_ENDS = {RUN_ENDED_EVENT, *(f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled"))}


def end_silent_runs(client: SyncPrefectClient) -> None:
    """Have runs of ours end Crashed whose process is gone and whose worker cannot tell; other flows are let alone."""
    heartbeat = "prefect.flow-run.heartbeat"
    trigger = EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
        for_each={"prefect.resource.id"},
        after={heartbeat},
        expect={heartbeat, *_ENDS},
        posture=Posture.Proactive,
        threshold=1,
        within=SILENCE,
    )
    message = f"No heartbeat for {SILENCE.seconds} s: its process is gone."
    _keep(
        client,
        AutomationCore(
            name="gristmill: silent runs",
            description=f"A run of gristmill's without a heartbeat for {SILENCE.seconds} s ends Crashed.",
            trigger=trigger,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
        ),
    )


def watch_for_late_runs(client: SyncPrefectClient, pool: str, notify: str | None = None) -> None:
    """Have it told when runs are late because a work pool has had no worker for a while; the runs are kept.

    Args:
        client: the server's.
        pool: the work pool.
        notify: a notification block, `TYPE/NAME`; without one Prefect's page alone tells.

    Raises:
        RequestError: there is no such block.
    """
    trigger = EventTrigger(
        match={"prefect.resource.id": "prefect.work-queue.*"},
        match_related={"prefect.resource.name": pool, "prefect.resource.role": "work-pool"},
        for_each={"prefect.resource.id"},
        after={"prefect.work-queue.not-ready"},
        expect={"prefect.work-queue.ready"},
        posture=Posture.Proactive,
        threshold=1,
        within=COMING_BACK,
    )
    _keep(
        client,
        AutomationCore(
            name=f"gristmill: late runs in {pool}",
            description=f"The work pool {pool} has had no worker for 10 minutes. Its runs wait for one.",
            trigger=trigger,
            actions=[_notification(client, notify, pool) if notify else DoNothing()],
        ),
    )


def _keep(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make an automation or renew it; one that is as it should be goes on with what it has counted."""
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
    elif (renewed := _renewed(found[0], wanted)) != _core(found[0]):
        client.update_automation(found[0].id, renewed)


def _renewed(found: Automation, wanted: AutomationCore) -> AutomationCore:
    """Return an automation with what somebody made of it: whether it is enabled, what it does where we do nothing."""
    kept: dict[str, Any] = {"enabled": found.enabled}
    if wanted.actions == [DoNothing()]:
        kept["actions"] = _values(found)["actions"]
    return AutomationCore.model_validate(_values(wanted) | kept)


def _core(automation: AutomationCore) -> AutomationCore:
    return AutomationCore.model_validate(_values(automation))


def _values(automation: AutomationCore) -> dict[str, Any]:
    """Return all values, for the client leaves out those that were not given, such as the kind of an action."""
    return automation.model_dump(mode="json", exclude={"id", "owner_resource"})


def _notification(client: SyncPrefectClient, block: str, pool: str) -> ActionTypes:
    kind, _, name = block.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise RequestError(
            f"--notify {block}: no such block. Expected TYPE/NAME, such as slack-webhook/ops; see: prefect block ls."
        ) from None
    return SendNotification(
        block_document_id=found.id,
        subject=f"gristmill: no worker for {pool}",
        body=f"The work pool {pool} has had no worker for 10 minutes, so its runs are late. "
        f"Start one: prefect worker start --pool {pool}",
    )

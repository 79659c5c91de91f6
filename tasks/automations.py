"""Automations on a Prefect server for runs whose process or worker was killed.

Prefect delays the state changes of scheduled runs for 15 minutes before triggers see them, because it waits for a
creation event that it does not emit. So no automation here relies on state changes alone.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from gristmill.config.deployments import HEARTBEAT_SECONDS, RUN_ENDED_EVENT, TAG
from gristmill.prefect_runtime.message_receiver import unknown_block
from gristmill.runs.retraining_record import RetrainingVerdict
from gristmill.tasks.deployment_changes import Change, create_automation, difference_lines, differing

MAX_SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
MAX_TIME_WITHOUT_WORKER = timedelta(minutes=10)  # before somebody is notified
_WITHOUT = f"has had no worker for {MAX_TIME_WITHOUT_WORKER // timedelta(minutes=1)} minutes"

_HEARTBEAT = "prefect.flow-run.heartbeat"
_OUTCOMES = tuple(verdict.capitalize() for verdict in get_args(RetrainingVerdict))  # states of a finished retraining
_END_STATES = ("Completed", *_OUTCOMES, "Failed", "Crashed", "Cancelled")
_END_EVENTS = {RUN_ENDED_EVENT, *(f"prefect.flow-run.{state}" for state in _END_STATES)}


def end_silent_runs(client: SyncPrefectClient) -> None:
    """Create or update the automation of `plan_silent_runs`."""
    if change := plan_silent_runs(client):
        change.apply(client)


def plan_silent_runs(client: SyncPrefectClient) -> Change | None:
    """Mark runs of gristmill as crashed if they stop sending heartbeats; other flows are not affected."""
    seconds = MAX_SILENCE.seconds
    trigger = _silence_trigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *_END_EVENTS},
        within=MAX_SILENCE,
    )
    message = f"No heartbeat for {seconds} s: its process has ended."
    action = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    description = f"A run of gristmill's without a heartbeat for {seconds} s ends Crashed."
    return _plan(client, "gristmill: silent runs", description, trigger, action)


def plan_late_runs(client: SyncPrefectClient, pool: str, block: str | None = None) -> Change | None:
    """Report runs that are late because a work pool has had no worker for a while; the runs are kept.

    Without a notification block, only Prefect's page reports them.
    """
    trigger = _silence_trigger(
        match={"prefect.resource.id": "prefect.work-queue.*"},
        match_related={"prefect.resource.name": pool, "prefect.resource.role": "work-pool"},
        after={"prefect.work-queue.not-ready"},
        expect={"prefect.work-queue.ready"},
        within=MAX_TIME_WITHOUT_WORKER,
    )
    action = _notification(client, block, pool) if block else DoNothing()
    description = f"The work pool {pool} {_WITHOUT}. Its runs wait for one."
    return _plan(client, _late_runs(pool), description, trigger, action)


def plan_unused(client: SyncPrefectClient, pool: str) -> Change | None:
    """Delete the automation of a work pool that no deployment of gristmill uses any more."""
    if not (found := client.read_automations_by_name(_late_runs(pool))):
        return None
    return Change(f"- automation {_late_runs(pool)}", [], lambda client: client.delete_automation(found[0].id))


def _late_runs(pool: str) -> str:
    return f"gristmill: late runs in {pool}"


def _silence_trigger(**values: Any) -> EventTrigger:
    return EventTrigger(for_each={"prefect.resource.id"}, posture=Posture.Proactive, threshold=1, **values)


def _plan(
    client: SyncPrefectClient, name: str, description: str, trigger: EventTrigger, action: ActionTypes
) -> Change | None:
    """Return the creation or update of an automation; an update would reset its counts, so none if nothing changes.

    The user's changes are kept: whether it is enabled, and further actions.
    """
    wanted = AutomationCore(name=name, description=description, trigger=trigger, actions=[action])
    found = client.read_automations_by_name(name)
    if not found:
        return Change(f"+ automation {name}", [], lambda client: create_automation(client, wanted))
    actions = [each.model_dump(mode="json") for each in _actions(action, found[0].actions)]
    kept = {"enabled": found[0].enabled, "actions": actions}
    updated = AutomationCore.model_validate(_values(wanted) | kept)
    before = AutomationCore.model_validate(_values(found[0]))
    if updated == before:
        return None
    lines = [
        line
        for field, value in differing(_values(updated), _values(before)).items()
        for line in difference_lines(field, _values(before)[field], value)
    ]
    return Change(f"~ automation {name}", lines, lambda client: client.update_automation(found[0].id, updated))


def _actions(wanted: ActionTypes, found: Sequence[Any]) -> list[Any]:
    """Return the actions of an automation that exists: ours is renewed, and others are kept."""
    if isinstance(wanted, DoNothing):
        return [*found]
    own = next((each for each in found if _identity(each) == _identity(wanted)), None)
    return [wanted, *(each for each in found if each is not own and not isinstance(each, DoNothing))]


def _identity(action: Any) -> tuple[type, str | None]:
    """Return what stays the same of an action of ours: its kind, and the subject of a message."""
    return type(action), getattr(action, "subject", None)


def _values(automation: Automation | AutomationCore) -> dict[str, Any]:
    """Return all values; the client's own dump leaves out defaults, such as the type of an action."""
    return automation.model_dump(mode="json", exclude={"id", "owner_resource"})


def _notification(client: SyncPrefectClient, block: str, pool: str) -> ActionTypes:
    kind, _, name = block.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise unknown_block(block) from None
    return SendNotification(
        block_document_id=found.id,
        subject=f"gristmill: no worker for {pool}",
        body=f"The work pool {pool} {_WITHOUT}, so its runs are late. Start one: prefect worker start --pool {pool}",
    )

"""Automations on a Prefect server for runs whose process or worker was killed.

Prefect delays the state changes of scheduled runs for 15 minutes before triggers see them, because it waits for a
creation event that it does not emit. So no automation here relies on state changes alone.
"""

from datetime import timedelta
from typing import Any, get_args

from httpx import codes
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from gristmill.deployment.prefect_file import HEARTBEAT_SECONDS, RUN_ENDED_EVENT, TAG
from gristmill.prefect_runtime.changes import Change, compare_fields
from gristmill.prefect_runtime.message_receiver import unknown_block
from gristmill.runs.retraining_record import RetrainingVerdict

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
    message = f"No heartbeat for {seconds} s: its process has ended."
    return _plan(
        client,
        "gristmill: silent runs",
        f"A run of gristmill's without a heartbeat for {seconds} s ends Crashed.",
        ChangeFlowRunState(state=StateType.CRASHED, message=message),
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *_END_EVENTS},
        within=MAX_SILENCE,
    )


def plan_late_runs(client: SyncPrefectClient, pool: str, block: str | None = None) -> Change | None:
    """Report runs that are late because a work pool has had no worker for a while; the runs are kept.

    Without a notification block, only Prefect's page reports them.
    """
    action: ActionTypes = DoNothing()
    if block:
        kind, _, name = block.partition("/")
        try:
            document = client.read_block_document_by_name(name, kind)
        except ObjectNotFound:
            raise unknown_block(block) from None
        start = f"prefect worker start --pool {pool}"
        action = SendNotification(
            block_document_id=document.id,
            subject=f"gristmill: no worker for {pool}",
            body=f"The work pool {pool} {_WITHOUT}, so its runs are late. Start one: {start}",
        )
    return _plan(
        client,
        _late_runs(pool),
        f"The work pool {pool} {_WITHOUT}. Its runs wait for one.",
        action,
        match={"prefect.resource.id": "prefect.work-queue.*"},
        match_related={"prefect.resource.name": pool, "prefect.resource.role": "work-pool"},
        after={"prefect.work-queue.not-ready"},
        expect={"prefect.work-queue.ready"},
        within=MAX_TIME_WITHOUT_WORKER,
    )


def plan_unused(client: SyncPrefectClient, pool: str) -> Change | None:
    """Delete the automation of a work pool that no deployment of gristmill uses any more."""
    existing = client.read_automations_by_name(_late_runs(pool))
    if not existing:
        return None
    return Change(f"- automation {_late_runs(pool)}", [], lambda client: client.delete_automation(existing[0].id))


def create_automation(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create an automation; of those that two deploys create at the same moment, the one with the lowest id is kept."""
    client.create_automation(automation)
    for extra in sorted(client.read_automations_by_name(automation.name), key=lambda existing: existing.id)[1:]:
        try:
            client.delete_automation(extra.id)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != codes.NOT_FOUND:  # the other deploy has deleted it
                raise


def _late_runs(pool: str) -> str:
    return f"gristmill: late runs in {pool}"


def _plan(client: SyncPrefectClient, name: str, description: str, action: ActionTypes, **silence: Any) -> Change | None:
    """Return the creation or update of an automation; an update would reset its counts, so none if nothing changes.

    `silence` are the fields of its trigger. The user's changes are kept: whether it is enabled, and further actions.
    """
    trigger = EventTrigger(for_each={"prefect.resource.id"}, posture=Posture.Proactive, threshold=1, **silence)
    wanted = AutomationCore(name=name, description=description, trigger=trigger, actions=[action])
    existing = next(iter(client.read_automations_by_name(name)), None)
    if existing is None:
        return Change(f"+ automation {name}", [], lambda client: create_automation(client, wanted))
    # Renew our action, which is found by its kind and, for a message, by its subject; keep the others.
    actions = [*existing.actions]
    if not isinstance(action, DoNothing):
        identity = type(action), getattr(action, "subject", None)
        own = next((kept for kept in actions if (type(kept), getattr(kept, "subject", None)) == identity), None)
        actions = [action, *(kept for kept in actions if kept is not own and not isinstance(kept, DoNothing))]
    kept_values = {"enabled": existing.enabled, "actions": [kept.model_dump(mode="json") for kept in actions]}
    # Compare it with what the server has.
    updated = AutomationCore.model_validate(_values(wanted) | kept_values)
    before = AutomationCore.model_validate(_values(existing))
    if updated == before:
        return None
    _, lines = compare_fields(_values(updated), _values(before))
    return Change(f"~ automation {name}", lines, lambda client: client.update_automation(existing.id, updated))


def _values(automation: Automation | AutomationCore) -> dict[str, Any]:
    """Return all values; the client's own dump leaves out defaults, such as the type of an action."""
    return automation.model_dump(mode="json", exclude={"id", "owner_resource"})

"""The schedule of a deployment, and the automation that retrains a pipeline when its data is updated.

A schedule is gristmill's if it has the slug `gristmill`. Other schedules and automations are kept.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.events import DeploymentEventTrigger

from gristmill.config.deployments import SCHEDULE_SLUG, trigger_name
from gristmill.tasks.deployed_runs import name_scheduled_runs
from gristmill.tasks.deployment_changes import Change, create_automation


def new_schedules(entry: Mapping[str, Any]) -> list[DeploymentScheduleCreate]:
    """Return the schedules of a new deployment; `entry` is the deployment in `prefect.yaml`."""
    return [DeploymentScheduleCreate(schedule=_schedule(given), slug=SCHEDULE_SLUG) for given in entry["schedules"]]


def create_trigger(client: SyncPrefectClient, deployment: UUID, trigger: Mapping[str, Any]) -> None:
    """Create the automation of a trigger in `prefect.yaml`; Prefect deletes it with its deployment."""
    created = DeploymentEventTrigger.model_validate(trigger)
    created.set_deployment_id(deployment)
    create_automation(client, created.as_automation())


def plan_schedule(deployment: DeploymentResponse, entry: Mapping[str, Any]) -> Change | None:
    """Return the change of gristmill's schedule of a deployment; whether it is active is kept."""
    wanted, own = _wanted_schedule(entry), _own_schedule(deployment, entry)
    before, after = (_in_words(own.schedule) if own else "none"), (_in_words(wanted) if wanted else "none")
    if before == after and (own is None or own.slug):
        return None

    def change(client: SyncPrefectClient) -> None:
        if own and wanted:
            client.update_deployment_schedule(deployment.id, own.id, schedule=wanted, slug=SCHEDULE_SLUG)
        elif own:
            client.delete_deployment_schedule(deployment.id, own.id)
        else:
            client.create_deployment_schedules(deployment.id, new_schedules(entry))

    return Change(f"schedule: {before} -> {after}", [], change)


def kept_schedules(deployment: DeploymentResponse, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the schedules of a deployment that are not gristmill's, in words."""
    own = _own_schedule(deployment, entry)
    yield from (_in_words(each.schedule) for each in deployment.schedules if each is not own)


def plan_trigger(client: SyncPrefectClient, deployment: DeploymentResponse, entry: Mapping[str, Any]) -> Change | None:
    """Return the creation or deletion of the automation of a deployment; an existing one is kept as it is."""
    name = trigger_name(entry["parameters"]["pipeline"])
    related = client.read_resource_related_automations(f"prefect.deployment.{deployment.id}")
    found = next((each for each in related if each.name == name), None)
    if bool(found) == bool(entry["triggers"]):
        return None

    def change(client: SyncPrefectClient) -> None:
        if found:
            client.delete_automation(found.id)
        else:
            create_trigger(client, deployment.id, entry["triggers"][0])

    return Change(f"on_event: {'true -> false' if found else 'false -> true'}", [], change)


def create_scheduled_runs(client: SyncPrefectClient, deployment: UUID, entry: Mapping[str, Any]) -> None:
    """Let the server create the next runs of a schedule now, in place of some seconds later, and name them."""
    if entry["schedules"]:
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json={})
        name_scheduled_runs(client, deployment, f"retrain {entry['parameters']['pipeline']}")


def _own_schedule(deployment: DeploymentResponse, entry: Mapping[str, Any]) -> DeploymentSchedule | None:
    """Return gristmill's schedule of a deployment; earlier versions made it without a slug."""
    wanted = _wanted_schedule(entry)
    marked = (each for each in deployment.schedules if each.slug == SCHEDULE_SLUG)
    unmarked = [each for each in deployment.schedules if each.slug is None]
    equal = (each for each in unmarked if wanted and _in_words(each.schedule) == _in_words(wanted))
    return next(marked, None) or next(equal, None)


def _wanted_schedule(entry: Mapping[str, Any]) -> SCHEDULE_TYPES | None:
    return next((_schedule(given) for given in entry["schedules"]), None)


def _schedule(given: Mapping[str, Any]) -> SCHEDULE_TYPES:
    """Return a schedule of `prefect.yaml` as the client has it."""
    if "cron" in given:
        return CronSchedule(cron=given["cron"], timezone=given["timezone"])
    if "rrule" in given:
        return RRuleSchedule(rrule=given["rrule"], timezone=given["timezone"])
    start = datetime.fromisoformat(given["anchor_date"])
    return IntervalSchedule(interval=timedelta(seconds=given["interval"]), anchor_date=start)


def _in_words(schedule: SCHEDULE_TYPES) -> str:
    match schedule:
        case CronSchedule():
            return f"cron {schedule.cron} ({schedule.timezone or 'UTC'})"
        case RRuleSchedule():
            return f"rrule {schedule.rrule} ({schedule.timezone or 'UTC'})"
        case IntervalSchedule():
            return f"interval {schedule.interval}"
    return "none"

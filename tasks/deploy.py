"""Deploy a project to a Prefect server: its work pool, automations and deployments.

Only what differs is changed, and only what gristmill has made: of schedules, those with the slug `gristmill`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from httpx import HTTPStatusError, codes
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.events import DeploymentEventTrigger
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow

from gristmill.config.catalogue import Catalogue
from gristmill.config.deployments import (
    SCHEDULE_SLUG,
    TAG,
    is_own,
    project_deployments,
    read_prefect_yaml,
    trigger_name,
)
from gristmill.config.domains import domain_of
from gristmill.errors import RequestError, WorkError
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from gristmill.prefect_runtime.entrypoints import load_flow
from gristmill.tasks.automations import plan_late_runs, plan_silent_runs, plan_unused
from gristmill.tasks.deployed_runs import name_scheduled_runs
from gristmill.tasks.deployment_changes import Change, create_automation, difference_lines, differing

_DEPLOYMENTS_PER_REQUEST = 200  # more are refused


class Plan(NamedTuple):
    """Changes that make a server's deployments those of a project."""

    changes: list[Change]
    unchanged: int  # number of deployments
    notes: list[str]  # about what is kept

    def apply(self) -> None:
        """Make the changes; raise `WorkError` if the server rejects one."""
        with get_client(sync_client=True) as client:
            for change in self.changes:
                with one_line_api_errors(), _rejections(change):
                    change.apply(client)


def plan(catalogue: Catalogue, pool: str | None = None) -> Plan:
    """Compare a project with the server; nothing is changed.

    Raises:
        RequestError: the server has a deployment or work pool of the same name that does not fit, or it does not have
            the notification block.
        WorkError: the server rejects a request.
    """
    pool = pool or catalogue.deploy.pool
    block = catalogue.notify.block if catalogue.notify else None
    default_pull = _default_pull(catalogue)
    deployed: list[tuple[DeploymentResponse | None, Change | None]] = []
    notes: list[str] = []
    with one_line_api_errors(), get_client(sync_client=True) as client:
        first = [_plan_pool(client, catalogue, pool), plan_silent_runs(client), plan_late_runs(client, pool, block)]
        for entry in project_deployments(catalogue, pool):
            flow = _flow(entry)
            name = f"{flow.name}/{entry['name']}"
            found = _read(client, name)
            wanted = _fields(entry, _schema(flow, catalogue, entry), default_pull)
            if found is None:
                deployed.append((None, _creation(flow, entry, wanted)))
                continue
            deployed.append((found, _update(client, name, found, entry, wanted)))
            notes += [f"kept: schedule of {name}, {each}" for each in kept_schedules(found, entry)]
        known = [found for found, _ in deployed if found]
        others = list(_others(client, {each.id for each in known}))
        notes += [_kept(client, each) for each in others]
        used = {pool, *(each.work_pool_name for each in others)}
        unused = sorted({each.work_pool_name for each in known if each.work_pool_name} - used)
        last = [plan_unused(client, each) for each in unused]
    changes = [change for change in [*first, *(change for _, change in deployed), *last] if change]
    return Plan(changes, sum(change is None for _, change in deployed), notes)


def _default_pull(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the pull steps that somebody has added to `prefect.yaml`, or the one that enters the project's folder."""
    added = read_prefect_yaml(catalogue.root).get("pull")
    enter = {"prefect.deployments.steps.set_working_directory": {"directory": str(catalogue.root)}}
    return [added] if isinstance(added, dict) and added else added or [enter]


def _plan_pool(client: SyncPrefectClient, catalogue: Catalogue, name: str) -> Change | None:
    """Return the creation of the work pool, unless it exists; its template is never changed."""
    deploy = catalogue.deploy
    try:
        found = client.read_work_pool(name).type
    except ObjectNotFound:
        created = WorkPoolCreate(name=name, type=deploy.type)
        return Change(f"+ work pool {name} (type {deploy.type})", [], lambda client: client.create_work_pool(created))
    if "type" in deploy.model_fields_set and found != deploy.type:
        raise RequestError(
            f"[deploy] type: the work pool {name} exists and has the type {found!r}, not {deploy.type!r}. "
            "Correct type, or name another work pool."
        )
    return None


def _flow(entry: Mapping[str, Any]) -> Flow[..., Any]:
    flow: Flow[..., Any] = load_flow(entry["entrypoint"].rpartition(".")[2])
    return flow


def _read(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """Return a deployment of gristmill, or None; raise `RequestError` if another program has made it."""
    try:
        found = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None
    if not is_own(found.entrypoint, found.tags):
        raise RequestError(
            f"the server has a deployment {name} that gristmill did not make (entrypoint {found.entrypoint}). "
            "Rename the pipeline, or delete the deployment."
        )
    return found


def _schema(flow: Flow[..., Any], catalogue: Catalogue, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a flow's parameters; pipelines and stages are choices in the form of a run.

    A retraining is of its own pipeline only, because its deployment limits it to one at a time.
    """
    schema: dict[str, Any] = flow.parameters.model_dump(mode="json", exclude_unset=True)
    fields = schema["properties"]
    same_domain = [each.name for each in catalogue.pipelines.values() if each.domain == flow.name]
    fields["pipeline"]["enum"] = same_domain or [entry["parameters"]["pipeline"]]
    for option in fields.get("refresh", {}).get("anyOf", []):
        if option["type"] == "string":
            option["enum"] = list(dict.fromkeys(stage.name for stage in domain_of(flow.name).stages))
    return schema


def _fields(entry: Mapping[str, Any], schema: dict[str, Any], default_pull: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a deployment that come from the project, as the server names them."""
    fields = {name: entry[name] for name in ("description", "tags", "entrypoint", "parameters")}
    fields["work_pool_name"] = entry["work_pool"]["name"]
    fields["job_variables"] = entry["work_pool"]["job_variables"]
    fields["pull_steps"] = entry.get("pull", default_pull)
    fields["parameter_openapi_schema"] = schema
    if limit := entry.get("concurrency_limit"):
        fields["concurrency_limit"] = limit["limit"]
        fields["concurrency_options"] = {"collision_strategy": limit["collision_strategy"]}
    return fields


def _found_fields(deployment: DeploymentResponse) -> dict[str, Any]:
    names = ("description", "tags", "entrypoint", "parameters", "work_pool_name", "job_variables", "pull_steps")
    fields = {name: getattr(deployment, name) for name in (*names, "parameter_openapi_schema")}
    limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
    fields["concurrency_limit"] = limit.limit if limit else None
    fields["concurrency_options"] = {"collision_strategy": options.collision_strategy.value} if options else None
    return fields


def _creation(flow: Flow[..., Any], entry: Mapping[str, Any], wanted: dict[str, Any]) -> Change:
    def create(client: SyncPrefectClient) -> None:
        flow_id, schedules = client.create_flow_from_name(flow.name), new_schedules(entry)
        made = client.create_deployment(
            flow_id, entry["name"], schedules=schedules, enforce_parameter_schema=True, **wanted
        )
        for trigger in entry["triggers"]:
            create_trigger(client, made, trigger)
        create_scheduled_runs(client, made, entry)

    return Change(f"+ deployment {flow.name}/{entry['name']}", [], create)


def _update(
    client: SyncPrefectClient,
    name: str,
    deployment: DeploymentResponse,
    entry: Mapping[str, Any],
    wanted: dict[str, Any],
) -> Change | None:
    """Return the change of a deployment, if it differs; tags and parameters that somebody has added are kept."""
    found = _found_fields(deployment)
    wanted = wanted | {
        "tags": [*found["tags"], *(tag for tag in wanted["tags"] if tag not in found["tags"])],
        "parameters": found["parameters"] | wanted["parameters"],
    }
    fields = differing(wanted, found)
    lines = [line for field, value in fields.items() for line in difference_lines(field, found[field], value)]
    others = [*filter(None, (plan_schedule(deployment, entry), plan_trigger(client, deployment, entry)))]

    def update(client: SyncPrefectClient) -> None:
        if fields:
            client.update_deployment(deployment.id, DeploymentUpdate(**_with_pool(fields, wanted, deployment)))
        for change in others:
            change.apply(client)
        if not deployment.paused:  # the server would create runs all the same
            create_scheduled_runs(client, deployment.id, entry)

    lines += [change.text for change in others]
    return Change(f"~ deployment {name}", lines, update) if lines else None


def _with_pool(fields: dict[str, Any], wanted: Mapping[str, Any], deployment: DeploymentResponse) -> dict[str, Any]:
    """Return the fields to change, with the work pool if there are job variables: the server checks them only then."""
    if "job_variables" not in fields:
        return fields
    pool = wanted["work_pool_name"]
    queue = {"work_queue_name": deployment.work_queue_name} if pool == deployment.work_pool_name else {}
    return fields | {"work_pool_name": pool} | queue  # a pool alone would reset the queue


def _others(client: SyncPrefectClient, known: set[UUID]) -> Iterator[DeploymentResponse]:
    """Yield the deployments of gristmill that are not of this project."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    read, offset = _DEPLOYMENTS_PER_REQUEST, 0
    while read == _DEPLOYMENTS_PER_REQUEST:
        page = client.read_deployments(deployment_filter=tagged, limit=_DEPLOYMENTS_PER_REQUEST, offset=offset)
        read, offset = len(page), offset + len(page)
        for each in page:
            if each.id not in known and is_own(each.entrypoint, each.tags) and each.work_pool_name:
                yield each


def _kept(client: SyncPrefectClient, deployment: DeploymentResponse) -> str:
    """Return a note on a deployment that is not of this project."""
    name = f"{client.read_flow(deployment.flow_id).name}/{deployment.name}"
    return (
        f"kept: deployment {name}, whose pipeline is not in pipelines.toml. If no other project uses it: "
        f"prefect deployment delete {name}"
    )


@contextmanager
def _rejections(change: Change) -> Iterator[None]:
    """Turn the server's objection to a change, such as a job variable that its work pool lacks, into a `WorkError`."""
    try:
        yield
    except ObjectAlreadyExists as error:  # the client's name for every conflict
        raise WorkError(f"{change.text.lstrip('+~- ')}: the server refuses it. {_detail(error.http_exc)}") from None
    except HTTPStatusError as error:
        if error.response.status_code not in (codes.CONFLICT, codes.UNPROCESSABLE_ENTITY):
            raise
        raise WorkError(f"{change.text.lstrip('+~- ')}: the server refuses it. {_detail(error)}") from None


def _detail(error: Any) -> str:
    """Return the first line of what the server says."""
    try:
        answer = error.response.json()
    except ValueError:  # a proxy's page
        return "See its log."
    reasons = "; ".join(str(each.get("msg")) for each in answer.get("exception_detail", []))
    return str(answer.get("detail") or reasons or "See its log.").partition("\n")[0]


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

"""Deploy a project to a Prefect server: its work pool, automations and deployments.

Only what differs is changed, and only what gristmill has made: of schedules, those with the slug `gristmill`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from gristmill.config.domains import domain_of
from gristmill.deployment.prefect_file import (
    SCHEDULE_SLUG,
    TAG,
    is_own,
    project_deployments,
    read_prefect_yaml,
    trigger_name,
)
from gristmill.errors import RequestError, WorkError
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from gristmill.prefect_runtime.automations import create_automation, plan_late_runs, plan_silent_runs, plan_unused
from gristmill.prefect_runtime.changes import Change, compare_fields
from gristmill.prefect_runtime.deployed_runs import name_scheduled_runs
from gristmill.prefect_runtime.entrypoints import load_flow

_DEPLOYMENTS_PER_REQUEST = 200  # more are refused

Entry = Mapping[str, Any]  # a deployment as `prefect.yaml` holds it


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
    # The pull steps that somebody has added to `prefect.yaml`, or the step that enters the project's folder.
    added = read_prefect_yaml(catalogue.root).get("pull")
    enter = {"prefect.deployments.steps.set_working_directory": {"directory": str(catalogue.root)}}
    default_pull = [added] if isinstance(added, dict) and added else added or [enter]
    known: list[DeploymentResponse] = []
    unchanged, notes = 0, list[str]()
    with one_line_api_errors(), get_client(sync_client=True) as client:
        # The work pool, and the automations that watch runs.
        changes = [_plan_pool(client, catalogue, pool), plan_silent_runs(client), plan_late_runs(client, pool, block)]
        # The deployments of the project.
        for entry in project_deployments(catalogue, pool):
            flow: Flow[..., Any] = load_flow(entry["entrypoint"].rpartition(".")[2])
            name = f"{flow.name}/{entry['name']}"
            deployment = _read(client, name)
            fields = _fields(flow, catalogue, entry, default_pull)
            if deployment is None:
                change: Change | None = _creation(flow, entry, fields)
            else:
                known.append(deployment)
                change = _update(client, name, deployment, entry, fields)
                notes += [f"kept: schedule of {name}, {words}" for words in kept_schedules(deployment, entry)]
            changes.append(change)
            unchanged += change is None
        # Deployments of other projects, and automations of work pools that no deployment uses any more.
        others = list(_others(client, {deployment.id for deployment in known}))
        for other in others:
            name = f"{client.read_flow(other.flow_id).name}/{other.name}"
            notes.append(
                f"kept: deployment {name}, whose pipeline is not in pipelines.toml. If no other project uses it: "
                f"prefect deployment delete {name}"
            )
        used = {pool, *(other.work_pool_name for other in others)}
        unused = {deployment.work_pool_name for deployment in known if deployment.work_pool_name} - used
        changes += [plan_unused(client, name) for name in sorted(unused)]
    return Plan([change for change in changes if change], unchanged, notes)


def _plan_pool(client: SyncPrefectClient, catalogue: Catalogue, name: str) -> Change | None:
    """Return the creation of the work pool, unless it exists; its template is never changed."""
    deploy = catalogue.deploy
    try:
        current = client.read_work_pool(name).type
    except ObjectNotFound:
        created = WorkPoolCreate(name=name, type=deploy.type)
        return Change(f"+ work pool {name} (type {deploy.type})", [], lambda client: client.create_work_pool(created))
    if "type" in deploy.model_fields_set and current != deploy.type:
        raise RequestError(
            f"[deploy] type: the work pool {name} exists and has the type {current!r}, not {deploy.type!r}. "
            "Correct type, or name another work pool."
        )
    return None


def _read(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """Return a deployment of gristmill, or None; raise `RequestError` if another program has made it."""
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None
    if not is_own(deployment.entrypoint, deployment.tags):
        raise RequestError(
            f"the server has a deployment {name} that gristmill did not make (entrypoint {deployment.entrypoint}). "
            "Rename the pipeline, or delete the deployment."
        )
    return deployment


def _fields(
    flow: Flow[..., Any], catalogue: Catalogue, entry: Entry, default_pull: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the fields of a deployment that come from the project, as the server names them."""
    # In the form of a run, pipelines and stages are choices. A retraining is of its own pipeline only, because its
    # deployment limits it to one at a time.
    schema: dict[str, Any] = flow.parameters.model_dump(mode="json", exclude_unset=True)
    parameters = schema["properties"]
    same_domain = [pipeline.name for pipeline in catalogue.pipelines.values() if pipeline.domain == flow.name]
    parameters["pipeline"]["enum"] = same_domain or [entry["parameters"]["pipeline"]]
    for option in parameters.get("refresh", {}).get("anyOf", []):
        if option["type"] == "string":
            option["enum"] = list(dict.fromkeys(stage.name for stage in domain_of(flow.name).stages))
    # The rest is as `prefect.yaml` has it.
    fields = {name: entry[name] for name in ("description", "tags", "entrypoint", "parameters")}
    fields["work_pool_name"] = entry["work_pool"]["name"]
    fields["job_variables"] = entry["work_pool"]["job_variables"]
    fields["pull_steps"] = entry.get("pull", default_pull)
    fields["parameter_openapi_schema"] = schema
    if limit := entry.get("concurrency_limit"):
        fields["concurrency_limit"] = limit["limit"]
        fields["concurrency_options"] = {"collision_strategy": limit["collision_strategy"]}
    return fields


def _creation(flow: Flow[..., Any], entry: Entry, fields: dict[str, Any]) -> Change:
    def create(client: SyncPrefectClient) -> None:
        flow_id, schedules = client.create_flow_from_name(flow.name), new_schedules(entry)
        deployment = client.create_deployment(
            flow_id, entry["name"], schedules=schedules, enforce_parameter_schema=True, **fields
        )
        for trigger in entry["triggers"]:
            create_trigger(client, deployment, trigger)
        create_scheduled_runs(client, deployment, entry)

    return Change(f"+ deployment {flow.name}/{entry['name']}", [], create)


def _update(
    client: SyncPrefectClient, name: str, deployment: DeploymentResponse, entry: Entry, wanted: dict[str, Any]
) -> Change | None:
    """Return the change of a deployment, if it differs; tags and parameters that somebody has added are kept."""
    # Read the same fields of the deployment as it is.
    names = ("description", "tags", "entrypoint", "parameters", "work_pool_name", "job_variables", "pull_steps")
    current = {name: getattr(deployment, name) for name in (*names, "parameter_openapi_schema")}
    limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
    current["concurrency_limit"] = limit.limit if limit else None
    current["concurrency_options"] = {"collision_strategy": options.collision_strategy.value} if options else None
    # Compare them.
    wanted = wanted | {
        "tags": [*current["tags"], *(tag for tag in wanted["tags"] if tag not in current["tags"])],
        "parameters": current["parameters"] | wanted["parameters"],
    }
    fields, lines = compare_fields(wanted, current)
    if "job_variables" in fields:  # the server checks them only together with the work pool
        fields["work_pool_name"] = wanted["work_pool_name"]
        if deployment.work_pool_name == wanted["work_pool_name"]:  # a pool alone would reset the queue
            fields["work_queue_name"] = deployment.work_queue_name
    parts = [*filter(None, (plan_schedule(deployment, entry), plan_trigger(client, deployment, entry)))]
    lines += [part.text for part in parts]

    def update(client: SyncPrefectClient) -> None:
        if fields:
            client.update_deployment(deployment.id, DeploymentUpdate(**fields))
        for part in parts:
            part.apply(client)
        if not deployment.paused:  # the server would create runs all the same
            create_scheduled_runs(client, deployment.id, entry)

    return Change(f"~ deployment {name}", lines, update) if lines else None


def _others(client: SyncPrefectClient, known: set[UUID]) -> Iterator[DeploymentResponse]:
    """Yield the deployments of gristmill that are not of this project."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    read, offset = _DEPLOYMENTS_PER_REQUEST, 0
    while read == _DEPLOYMENTS_PER_REQUEST:
        page = client.read_deployments(deployment_filter=tagged, limit=_DEPLOYMENTS_PER_REQUEST, offset=offset)
        read, offset = len(page), offset + len(page)
        for deployment in page:
            is_known = deployment.id in known
            if not is_known and is_own(deployment.entrypoint, deployment.tags) and deployment.work_pool_name:
                yield deployment


@contextmanager
def _rejections(change: Change) -> Iterator[None]:
    """Turn the server's objection to a change, such as a job variable that its work pool lacks, into a `WorkError`."""
    try:
        yield
    except (HTTPStatusError, ObjectAlreadyExists) as error:  # the second is the client's name for every conflict
        failure: Any = getattr(error, "http_exc", error)
        response = failure.response
        if response.status_code not in (codes.CONFLICT, codes.UNPROCESSABLE_ENTITY):
            raise
        # The reason is the first line of the answer, unless that is a proxy's page.
        reason = ""
        try:
            answer = response.json()
        except ValueError:
            pass
        else:
            reasons = "; ".join(str(detail.get("msg")) for detail in answer.get("exception_detail", []))
            reason = str(answer.get("detail") or reasons).partition("\n")[0]
        text = change.text.lstrip("+~- ")
        raise WorkError(f"{text}: the server refuses it. {reason or 'See its log.'}") from None


def new_schedules(entry: Entry) -> list[DeploymentScheduleCreate]:
    """Return the schedules of a new deployment."""
    return [
        DeploymentScheduleCreate.model_validate(
            {"schedule": {key: value for key, value in schedule.items() if key != "slug"}, "slug": SCHEDULE_SLUG}
        )
        for schedule in entry["schedules"]
    ]


def create_trigger(client: SyncPrefectClient, deployment: UUID, trigger: Mapping[str, Any]) -> None:
    """Create the automation of a trigger in `prefect.yaml`; Prefect deletes it with its deployment."""
    created = DeploymentEventTrigger.model_validate(trigger)
    created.set_deployment_id(deployment)
    create_automation(client, created.as_automation())


def plan_schedule(deployment: DeploymentResponse, entry: Entry) -> Change | None:
    """Return the change of gristmill's schedule of a deployment; whether it is active is kept."""
    wanted, own = _wanted_schedule(entry), _own_schedule(deployment, entry)
    before, after = _in_words(own.schedule if own else None), _in_words(wanted)
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


def kept_schedules(deployment: DeploymentResponse, entry: Entry) -> Iterator[str]:
    """Yield the schedules of a deployment that are not gristmill's, in words."""
    own = _own_schedule(deployment, entry)
    yield from (_in_words(schedule.schedule) for schedule in deployment.schedules if schedule is not own)


def plan_trigger(client: SyncPrefectClient, deployment: DeploymentResponse, entry: Entry) -> Change | None:
    """Return the creation or deletion of the automation of a deployment; an existing one is kept as it is."""
    name = trigger_name(entry["parameters"]["pipeline"])
    related = client.read_resource_related_automations(f"prefect.deployment.{deployment.id}")
    existing = next((automation for automation in related if automation.name == name), None)
    if bool(existing) == bool(entry["triggers"]):
        return None

    def change(client: SyncPrefectClient) -> None:
        if existing:
            client.delete_automation(existing.id)
        else:
            create_trigger(client, deployment.id, entry["triggers"][0])

    return Change(f"on_event: {'true -> false' if existing else 'false -> true'}", [], change)


def create_scheduled_runs(client: SyncPrefectClient, deployment: UUID, entry: Entry) -> None:
    """Let the server create the next runs of a schedule now, in place of some seconds later, and name them."""
    if entry["schedules"]:
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json={})
        name_scheduled_runs(client, deployment, f"retrain {entry['parameters']['pipeline']}")


def _own_schedule(deployment: DeploymentResponse, entry: Entry) -> DeploymentSchedule | None:
    """Return gristmill's schedule of a deployment; earlier versions made it without a slug."""
    marked = [schedule for schedule in deployment.schedules if schedule.slug == SCHEDULE_SLUG]
    if wanted := _wanted_schedule(entry):
        unmarked = (schedule for schedule in deployment.schedules if schedule.slug is None)
        marked += [schedule for schedule in unmarked if _in_words(schedule.schedule) == _in_words(wanted)]
    return marked[0] if marked else None


def _wanted_schedule(entry: Entry) -> SCHEDULE_TYPES | None:
    return next((created.schedule for created in new_schedules(entry)), None)


def _in_words(schedule: SCHEDULE_TYPES | None) -> str:
    match schedule:
        case CronSchedule():
            return f"cron {schedule.cron} ({schedule.timezone or 'UTC'})"
        case RRuleSchedule():
            return f"rrule {schedule.rrule} ({schedule.timezone or 'UTC'})"
        case IntervalSchedule():
            return f"interval {schedule.interval}"
    return "none"

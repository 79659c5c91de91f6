"""Deployments of a project on a Prefect server: `prefect.yaml`, generated from `pipelines.toml`.

Each pipeline has two deployments: `NAME` brings it up to date on request, and `NAME-retrain` retrains it by its
`[schedule]`. The file holds no path: without a table `[deploy]`, workers run in the folder from which it was deployed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import RequestError
from gristmill.settings.file_tables import Deploy
from gristmill.settings.schedule import Schedule, parse_duration
from gristmill.util.telemetry import NO_CLIENT_REPORTS

PREFECT_FILE = "prefect.yaml"
TAG = "gristmill"  # tag of every deployment; the automations watch runs with it
DATA_UPDATED_EVENT = "gristmill.data.updated"  # retrains a pipeline whose schedule has on_event = true
RUN_ENDED_EVENT = "gristmill.run.ended"
HEARTBEAT_SECONDS = 30  # the shortest interval that Prefect accepts
RUN_ENVIRONMENT = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_LOGGING_EXTRA_LOGGERS": "gristmill",  # shows gristmill's log lines on Prefect's page
}

IMAGE_FOLDER = "/project"  # folder of the project in an image
SCHEDULE_SLUG = "gristmill"  # marks the schedule of a deployment that comes from pipelines.toml

_HEAD = """\
# Generated from pipelines.toml by `gristmill deploy`, which replaces the deployments with the tag gristmill. Edit
# pipelines.toml instead. Other deployments and keys that you add here are kept, but comments are not.
"""
_ENTRYPOINTS = "gristmill.prefect_runtime.entrypoints."  # Prefect finds flows there, whatever the project contains
_STEPS = "prefect.deployments.steps"
_ANCHOR = "2020-01-01T00:00:00+00:00"  # start of all intervals, so that deploying again does not shift the runs


def pipeline_resource(pipeline: str) -> str:
    """Return the name of a pipeline's data in Prefect's events."""
    return f"gristmill.pipeline.{pipeline}"


def prefect_yaml(catalogue: Catalogue, pool: str | None = None) -> str:
    """Return the content of `prefect.yaml`: the project's deployments, and what else the file already has.

    It is always the same for the same `pipelines.toml`. `pool` replaces the work pool of the table `[deploy]`.

    Raises:
        RequestError: the existing file is not a YAML file of Prefect.
    """
    import yaml  # late: only deploying needs it

    content = read_prefect_yaml(catalogue.root)
    deployments = content.pop("deployments", None) or []
    others = [
        deployment
        for deployment in deployments
        if not isinstance(deployment, dict) or not is_own(deployment.get("entrypoint"), deployment.get("tags"))
    ]
    content["deployments"] = [*project_deployments(catalogue, pool), *others]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return _HEAD + text


def read_prefect_yaml(root: Path) -> dict[str, Any]:
    """Return the content of a project's `prefect.yaml`; empty if there is none."""
    import yaml

    file = root / PREFECT_FILE
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, ValueError) as error:
        raise RequestError(f"{file}: not valid YAML ({' '.join(str(error).split())}). Fix or delete it.") from None
    if not isinstance(content, dict) or not isinstance(content.get("deployments") or [], list):
        raise RequestError(f"{file}: expected a table with a list of deployments. Fix or delete it.")
    return content


def is_own(entrypoint: Any, tags: Any) -> bool:
    """Return whether a deployment of these values is one of gristmill."""
    return isinstance(tags, list) and TAG in tags and str(entrypoint).startswith(_ENTRYPOINTS)


def project_deployments(catalogue: Catalogue, pool: str | None = None) -> list[dict[str, Any]]:
    """Return the deployments of a project as `prefect.yaml` holds them."""
    deployments = []
    for pipeline in catalogue.pipelines.values():
        text = f"Brings the pipeline {pipeline.name} up to date. {pipeline.description}"
        own = [_deployment(pipeline, pipeline.name, text, pipeline.domain), retraining_deployment(pipeline)]
        for deployment in own:  # each with dictionaries of its own, because YAML would refer to shared ones
            deployment |= _pull(catalogue.deploy)
            variables: dict[str, Any] = {"image": catalogue.deploy.image} if catalogue.deploy.image else {}
            variables["env"] = RUN_ENVIRONMENT | NO_CLIENT_REPORTS
            for added in (catalogue.deploy.job_variables, pipeline.job_variables):
                variables = _merge(variables, added)  # nested tables, such as `env`, too
            deployment["work_pool"] = {"name": pool or catalogue.deploy.pool, "job_variables": variables}
        deployments += own
    return deployments


def _pull(deploy: Deploy) -> dict[str, Any]:
    """Return the steps that fetch the project for a run; none if workers run in the folder that was deployed."""
    if deploy.git:
        clone = {"repository": deploy.git.url} | ({"branch": deploy.git.branch} if deploy.git.branch else {})
        if deploy.git.credentials:
            kind, _, name = deploy.git.credentials.partition("/")
            clone["access_token" if kind == "secret" else "credentials"] = f"{{{{ prefect.blocks.{kind}.{name} }}}}"
        return {"pull": [{f"{_STEPS}.git_clone": clone}]}
    if deploy.bucket:
        return {"pull": [{f"{_STEPS}.pull_from_remote_storage": {"url": deploy.bucket}}]}
    if deploy.image:
        return {"pull": [{f"{_STEPS}.set_working_directory": {"directory": IMAGE_FOLDER}}]}
    return {}


def _merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: _merge(value, {}) if isinstance(value, Mapping) else value for name, value in first.items()}
    for name, value in second.items():
        before = merged.get(name)
        nested = isinstance(value, Mapping)
        merged[name] = _merge(before if isinstance(before, Mapping) else {}, value) if nested else value
    return merged


def retraining_deployment(pipeline: Pipeline) -> dict[str, Any]:
    """Return the deployment that retrains a pipeline by its schedule, one run at a time."""
    schedule = pipeline.schedule
    # The times at which it runs, and the event that starts it.
    schedules: list[dict[str, Any]] = []
    if schedule.interval:
        seconds = int(parse_duration(schedule.interval).total_seconds())
        schedules = [{"interval": seconds, "anchor_date": _ANCHOR, "slug": SCHEDULE_SLUG}]
    elif schedule.cron or schedule.rrule:
        rule = {"cron": schedule.cron} if schedule.cron else {"rrule": schedule.rrule}
        schedules = [{**rule, "timezone": schedule.timezone, "slug": SCHEDULE_SLUG}]
    trigger = {
        "name": trigger_name(pipeline.name),
        "type": "event",
        "expect": [DATA_UPDATED_EVENT],
        "match": {"prefect.resource.id": pipeline_resource(pipeline.name)},
    }
    text = f"Retrains the pipeline {pipeline.name}, {describe_schedule(schedule)}. {pipeline.description}"
    return _deployment(pipeline, f"{pipeline.name}-retrain", text, "retrain") | {
        "schedules": schedules,
        "triggers": [trigger] if schedule.on_event else [],
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


def trigger_name(pipeline: str) -> str:
    """Return the name of the automation that retrains a pipeline when its data is updated."""
    return f"gristmill: retrain {pipeline} when its data is updated"


def describe_schedule(schedule: Schedule) -> str:
    """Return a schedule in words: `by cron 0 6 * * 1 (UTC) and when its data is updated`."""
    clocks = [
        f"by cron {schedule.cron} ({schedule.timezone})" if schedule.cron else "",
        f"every {schedule.interval}" if schedule.interval else "",
        f"by the rule {schedule.rrule} ({schedule.timezone})" if schedule.rrule else "",
        "when its data is updated" if schedule.on_event else "",
    ]
    return " and ".join(filter(None, clocks)) or "when asked"


def _deployment(pipeline: Pipeline, name: str, description: str, flow: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description.strip().replace("{{", "{ {"),  # Prefect would fill in a variable or a secret
        "tags": [TAG, pipeline.domain, pipeline.name],
        "entrypoint": f"{_ENTRYPOINTS}{flow}",
        "parameters": {"pipeline": pipeline.name},
        "schedules": [],
        "triggers": [],
    }

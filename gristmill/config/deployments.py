"""Deployments of a project on a Prefect server: `prefect.yaml`, generated from `pipelines.toml`.

Each pipeline has two deployments: `NAME` brings it up to date on request, and `NAME-retrain` retrains it by its
`[schedule]`. The file holds no path: workers run in the folder from which it was deployed, as is Prefect's default.
"""

from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.settings.schedule import Schedule, parse_duration
from gristmill.util.telemetry import NO_CLIENT_REPORTS

PREFECT_FILE = "prefect.yaml"
DEFAULT_WORK_POOL = "gristmill"
TAG = "gristmill"  # tag of every deployment; the automations watch runs with it
DATA_UPDATED_EVENT = "gristmill.data.updated"  # retrains a pipeline whose schedule has on_event = true
RUN_ENDED_EVENT = "gristmill.run.ended"
HEARTBEAT_SECONDS = 30  # the shortest interval that Prefect accepts
RUN_ENVIRONMENT = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_LOGGING_EXTRA_LOGGERS": "gristmill,tasks",  # shows gristmill's log lines on Prefect's page
}

_HEAD = """\
# Generated from pipelines.toml by `gristmill deploy`, which overwrites it. Edit pipelines.toml instead.
# `prefect deploy --all` in this folder applies it; workers then work in this folder too.
"""
_ANCHOR = "2020-01-01T00:00:00+00:00"  # start of all intervals, so that deploying again does not shift the runs


def pipeline_resource(pipeline: str) -> str:
    """Return the name of a pipeline's data in Prefect's events."""
    return f"gristmill.pipeline.{pipeline}"


def prefect_yaml(catalogue: Catalogue, pool: str = DEFAULT_WORK_POOL) -> str:
    """Return the content of `prefect.yaml`, always the same for the same `pipelines.toml`; `pool` is the work pool."""
    import yaml  # late: only deploying needs it

    deployments = []
    for pipeline in catalogue.pipelines.values():
        text = f"Brings the pipeline {pipeline.name} up to date. {pipeline.description}"
        deployments += [_deployment(pipeline, pipeline.name, text, pipeline.domain), retraining_deployment(pipeline)]
    for deployment in deployments:  # each with a dictionary of its own, because YAML would refer to a shared one
        environment = RUN_ENVIRONMENT | NO_CLIENT_REPORTS
        deployment["work_pool"] = {"name": pool, "job_variables": {"env": environment}}
    content: str = yaml.safe_dump(
        {"deployments": deployments}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return _HEAD + content


def retraining_deployment(pipeline: Pipeline) -> dict[str, Any]:
    """Return the deployment that retrains a pipeline by its schedule, one run at a time."""
    schedule = pipeline.schedule
    trigger = {
        "name": f"gristmill: retrain {pipeline.name} when its data is updated",
        "type": "event",
        "expect": [DATA_UPDATED_EVENT],
        "match": {"prefect.resource.id": pipeline_resource(pipeline.name)},
    }
    text = f"Retrains the pipeline {pipeline.name}, {describe_schedule(schedule)}. {pipeline.description}"
    return _deployment(pipeline, f"{pipeline.name}-retrain", text, "retrain") | {
        "schedules": _schedules(schedule),
        "triggers": [trigger] if schedule.on_event else [],
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


def describe_schedule(schedule: Schedule) -> str:
    """Return a schedule in words: `by cron 0 6 * * 1 (UTC) and when its data is updated`."""
    clocks = [
        f"by cron {schedule.cron} ({schedule.timezone})" if schedule.cron else "",
        f"every {schedule.interval}" if schedule.interval else "",
        f"by the rule {schedule.rrule} ({schedule.timezone})" if schedule.rrule else "",
        "when its data is updated" if schedule.on_event else "",
    ]
    return " and ".join(filter(None, clocks)) or "when asked"


def entrypoint(flow: str) -> str:
    """Return the dotted name by which Prefect finds a flow, whatever packages the project's folder contains."""
    return f"gristmill.prefect_runtime.entrypoints.{flow}"


def _deployment(pipeline: Pipeline, name: str, description: str, flow: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description.strip().replace("{{", "{ {"),  # Prefect would fill in a variable or a secret
        "tags": [TAG, pipeline.domain, pipeline.name],
        "entrypoint": entrypoint(flow),
        "parameters": {"pipeline": pipeline.name},
        "schedules": [],
        "triggers": [],
    }


def _schedules(schedule: Schedule) -> list[dict[str, Any]]:
    """Return the schedules of a deployment; an empty list removes those that it had."""
    if schedule.cron:
        return [{"cron": schedule.cron, "timezone": schedule.timezone}]
    if schedule.interval:
        return [{"interval": int(parse_duration(schedule.interval).total_seconds()), "anchor_date": _ANCHOR}]
    if schedule.rrule:
        return [{"rrule": schedule.rrule, "timezone": schedule.timezone}]
    return []

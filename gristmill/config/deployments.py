"""What of a project runs on a Prefect server: `prefect.yaml`, made of `pipelines.toml`.

Each pipeline has two deployments: `NAME` brings it up to date when somebody asks for it, `NAME-retrain` retrains it,
by its `[schedule]`. The file holds no path: by Prefect's default, workers work in the folder that it was deployed from.
"""

from collections.abc import Iterator
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.settings.schedule import Schedule, parse_duration
from gristmill.util.telemetry import NO_CLIENT_REPORTS

PREFECT_FILE = "prefect.yaml"
DEFAULT_WORK_POOL = "gristmill"
TAG = "gristmill"  # of every deployment, and so of every run that the automations look after
DATA_UPDATED_EVENT = "gristmill.data.updated"  # the event that retrains a pipeline whose schedule has on_event = true
RUN_ENDED_EVENT = "gristmill.run.ended"  # the event by which a run tells that it is over
HEARTBEAT_SECONDS = 30  # seconds, the least that Prefect takes
RUN_ENVIRONMENT = {  # of the runs
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_LOGGING_EXTRA_LOGGERS": "gristmill,tasks",  # so that Prefect's page shows our lines too
}

_HEAD = """\
# Generated from pipelines.toml by `gristmill deploy`, and written over by it: edit pipelines.toml.
# `prefect deploy --all` in this folder applies it; workers then work in this folder too.
"""
_ANCHOR = "2020-01-01T00:00:00+00:00"  # intervals count from here, so that deploying again moves no run
_COLLISION = {"skip": "CANCEL_NEW", "wait": "ENQUEUE"}


def pipeline_resource(pipeline: str) -> str:
    """Return what the data of a pipeline is called in Prefect's events."""
    return f"gristmill.pipeline.{pipeline}"


def prefect_yaml(catalogue: Catalogue, pool: str = DEFAULT_WORK_POOL) -> str:
    """Return the content of `prefect.yaml`, the same for the same `pipelines.toml`.

    Args:
        catalogue: the pipelines.
        pool: the work pool, whose workers run them.
    """
    import yaml  # late: only deploying pays for it

    found = [{**deployment, "work_pool": _work_pool(pool)} for deployment in deployments(catalogue)]
    content: str = yaml.safe_dump(
        {"deployments": found}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return _HEAD + content


def deployments(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Yield the deployments of all pipelines as `prefect.yaml` has them, without a work pool."""
    for pipeline in catalogue.pipelines.values():
        yield _run(pipeline)
        yield retraining_deployment(pipeline)


def retraining_deployment(pipeline: Pipeline) -> dict[str, Any]:
    """Return the deployment that retrains a pipeline, one run at a time, by its schedule."""
    schedule = schedule_of(pipeline)
    return {
        "name": f"{pipeline.name}-retrain",
        "description": _plain(
            f"Retrains the pipeline {pipeline.name}, {describe_schedule(schedule)}. {pipeline.description}"
        ),
        "tags": _tags(pipeline),
        "entrypoint": entrypoint("retrain"),
        "parameters": {"pipeline": pipeline.name},
        "schedules": _clock(schedule),
        "triggers": [_trigger(pipeline.name)] if schedule.on_event else [],
        "concurrency_limit": {"limit": 1, "collision_strategy": _COLLISION[schedule.collision]},
    }


def schedule_of(pipeline: Pipeline) -> Schedule:
    """Return when a pipeline is retrained."""
    table = pipeline.tables["schedule"]
    if not isinstance(table, Schedule):
        raise TypeError(f"{pipeline.name}: {table!r} is no schedule")
    return table


def describe_schedule(schedule: Schedule) -> str:
    """Return in words when a pipeline is retrained: `by cron 0 6 * * 1 (UTC) and when its data is updated`."""
    clocks = [
        f"by cron {schedule.cron} ({schedule.timezone})" if schedule.cron else "",
        f"every {schedule.interval}" if schedule.interval else "",
        f"by the rule {schedule.rrule} ({schedule.timezone})" if schedule.rrule else "",
        "when its data is updated" if schedule.on_event else "",
    ]
    return " and ".join(filter(None, clocks)) or "when asked"


def entrypoint(flow: str) -> str:
    """Return the dotted name by which Prefect finds a flow, whatever packages the project's folder holds."""
    return f"gristmill.prefect_runtime.entrypoints.{flow}"


def _run(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "description": _plain(f"Brings the pipeline {pipeline.name} up to date. {pipeline.description}"),
        "tags": _tags(pipeline),
        "entrypoint": entrypoint(pipeline.domain),
        "parameters": {"pipeline": pipeline.name},
        "schedules": [],
        "triggers": [],
    }


def _plain(text: str) -> str:
    """Return a text in which Prefect finds no place to fill in a variable or a secret."""
    return text.strip().replace("{{", "{ {")


def _tags(pipeline: Pipeline) -> list[str]:
    return [TAG, pipeline.domain, pipeline.name]


def _clock(schedule: Schedule) -> list[dict[str, Any]]:
    """Return the schedules of a deployment; an empty list takes away those that it had."""
    if schedule.cron:
        return [{"cron": schedule.cron, "timezone": schedule.timezone}]
    if schedule.interval:
        return [{"interval": int(parse_duration(schedule.interval).total_seconds()), "anchor_date": _ANCHOR}]
    if schedule.rrule:
        return [{"rrule": schedule.rrule, "timezone": schedule.timezone}]
    return []


def _trigger(pipeline: str) -> dict[str, Any]:
    return {
        "name": f"gristmill: retrain {pipeline} when its data is updated",
        "type": "event",
        "expect": [DATA_UPDATED_EVENT],
        "match": {"prefect.resource.id": pipeline_resource(pipeline)},
    }


def _work_pool(name: str) -> dict[str, Any]:
    return {"name": name, "job_variables": {"env": RUN_ENVIRONMENT | NO_CLIENT_REPORTS}}

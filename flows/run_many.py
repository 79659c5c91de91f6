"""The flow that runs several pipelines, or the trials of a sweep, in parallel, each in a worker process."""

from typing import Any

from prefect import flow

from gristmill.tasks.batch import run_units
from gristmill.workers.unit import Unit


@flow(name="run_many", flow_run_name="{what}s", persist_result=False)
def run_many(
    what: str, units: list[dict[str, Any]], jobs: int | None = None, project: str | None = None
) -> list[dict[str, Any] | str]:
    """Run units and return the record of each, or its error; one that fails does not stop the others.

    Args:
        what: a unit in messages: pipeline or trial.
        units: flow and parameters of each (`Unit`).
        jobs: units at a time; default: as [runner] says.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
    """
    return run_units(what, [Unit(**unit) for unit in units], jobs, project)

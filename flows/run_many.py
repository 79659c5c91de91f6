"""The flow that runs several pipelines in parallel, each in a worker process."""

from typing import Any

from prefect import flow

from tasks.batch import run_pipelines


@flow(name="run_many", flow_run_name="{pipelines}", persist_result=False)
def run_many(
    pipelines: list[str],
    overrides: dict[str, list[str]] | None = None,
    refresh: str | None = None,
    jobs: int | None = None,
    project: str | None = None,
    budget: float | None = None,
) -> dict[str, dict[str, Any] | str]:
    """Run pipelines and return the record of each, or its error; one that fails does not stop the others.

    Args:
        pipelines: names of tables in `pipelines.toml`.
        overrides: settings to change by pipeline, such as `train.epochs=5`.
        refresh: a stage to run again even on a cache hit.
        jobs: pipelines at a time; default: as [runner] says.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
        budget: seconds after which a pipeline with `model.kind = "auto"` starts no further candidate.
    """
    return run_pipelines(pipelines, overrides or {}, refresh, jobs, project, budget)

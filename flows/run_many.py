"""The flow that brings several pipelines up to date side by side, in processes of their own."""

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
) -> dict[str, dict[str, Any] | str]:
    """Run pipelines; one that fails does not stop the rest.

    Args:
        pipelines: names of tables in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5` for some of them.
        refresh: a stage to do again even if its result is in the store.
        jobs: pipelines at a time; as `[runner]` says if not given.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.

    Returns:
        For each its run record, or why it failed.
    """
    return run_pipelines(pipelines, overrides or {}, refresh, jobs, project)

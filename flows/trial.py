"""The flow of one trial of a sweep: a pipeline of any domain, as far as its scores."""

from typing import Any

from prefect import flow

from gristmill.sweeps.trials import LAST_STAGE
from tasks.ingest import ingest
from tasks.run_stage import recorded
from tasks.stage_tasks import up_to


@flow(name="trial", flow_run_name="{pipeline} {overrides}", persist_result=False)
def trial(pipeline: str, overrides: list[str], project: str | None = None) -> dict[str, Any]:
    """Run a pipeline with other settings until it is scored; nothing is exported.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `model.units=[512]`.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.

    Returns:
        The run record.
    """
    with recorded(pipeline, overrides, None, project, trial=True) as run:
        up_to(LAST_STAGE, run, {"ingest": ingest(run)})
    return run.record().model_dump(mode="json")

"""The flow of one trial of a sweep: run a pipeline of any domain up to its scores."""

from typing import Any

from prefect import flow

from gristmill.sweeps.trials import LAST_STAGE
from gristmill.tasks.run import recorded_run
from gristmill.tasks.stage_tasks import ingest, run_up_to


@flow(name="trial", flow_run_name="{pipeline} {overrides}", persist_result=False)
def trial(pipeline: str, overrides: list[str], project: str | None = None) -> dict[str, Any]:
    """Run a pipeline with other settings up to its scores, and return the run record."""
    with recorded_run(pipeline, overrides, None, project, trial=True) as run:
        run_up_to(LAST_STAGE, run, ingest(run))
    return run.record().model_dump(mode="json")

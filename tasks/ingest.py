"""Ingest: raw data into the store."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from gristmill.errors import SourceChanged
from gristmill.retraining.lost_rows import check_lost_rows
from gristmill.store.artifact import Reference
from tasks.run_stage import Run, produce


async def _changed_meanwhile(task: object, task_run: TaskRun, state: State) -> bool:
    """Only a source that was written to while it was read is worth another try."""
    return isinstance(await state.aresult(raise_on_failure=False), SourceChanged)


@task(
    task_run_name="ingest {run.pipeline.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=1,
    retry_condition_fn=_changed_meanwhile,
)
def ingest(run: Run) -> Reference:
    """Read the source, check it and write it as Parquet; stop where it has lost rows."""
    made = produce(run, "ingest")
    check_lost_rows(run.catalogue, run.pipeline, run.record().references["ingest"])
    return made

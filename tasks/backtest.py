"""Backtest: one block of the rolling origin, one network; the flow fans them out."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.artifact import Reference
from tasks.progress import EpochProgress
from tasks.stage import Run, produce


@task(task_run_name="{point} {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def backtest(run: Run, point: str, prepared: Reference) -> Reference:
    """Train on what came before one block and forecast the block."""
    return produce(run, point, prepared, on_epoch=EpochProgress(run.pipeline.name))

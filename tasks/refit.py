"""Refit: the network that is exported, trained on everything."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.progress import EpochProgress
from tasks.run_stage import Run, produce


@task(task_run_name="refit {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def refit(run: Run, prepared: Reference, trained: Reference, *start: Reference) -> Reference:
    """Train once more by the judged recipe, on everything, from the newest checkpoint on."""
    return produce(run, "refit", prepared, trained, *start, on_epoch=EpochProgress(run.pipeline.name))

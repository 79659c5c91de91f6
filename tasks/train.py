"""Train: the network, with its progress shown in Prefect's page and to whoever listens."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.artifact import Reference
from tasks.progress import EpochProgress
from tasks.stage import Run, produce


@task(task_run_name="train {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def train(run: Run, prepared: Reference, *start: Reference) -> Reference:
    """Fit the network; go on from the last checkpoint where an earlier run was cut off."""
    return produce(run, "train", prepared, *start, on_epoch=EpochProgress(run.pipeline.name))

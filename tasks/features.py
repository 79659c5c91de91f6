"""Features: what the base of a network makes of each image, for heads to be trained on."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.run_stage import Run, produce


@task(task_run_name="features {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def features(run: Run, prepared: Reference) -> Reference:
    """Show each image to the base once, where that stays as it is."""
    return produce(run, "features", prepared)

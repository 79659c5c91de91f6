"""Preprocess: ingested data into training-ready data."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.run_stage import Run, produce


@task(task_run_name="preprocess {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def preprocess(run: Run, ingested: Reference) -> Reference:
    """Split the data and fit on the training part what has to be fitted."""
    return produce(run, "preprocess", ingested)

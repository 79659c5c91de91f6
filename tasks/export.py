"""Export: the tested model as a bundle for other programs."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.run_stage import Run, produce


@task(task_run_name="export {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def export(run: Run, prepared: Reference, trained: Reference, evaluated: Reference, *more: Reference) -> Reference:
    """Write the model in each format and prove each equal to what was scored; `more` is what else the domain reads."""
    return produce(run, "export", prepared, trained, evaluated, *more)

"""Evaluate: scores beside baselines, and an artifact in Prefect's page that shows them."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.prefect_artifacts import show_scores
from tasks.run_stage import Run, produce


@task(task_run_name="evaluate {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def evaluate(run: Run, prepared: Reference, trained: Reference, *more: Reference) -> Reference:
    """Score the model and the baselines on data that nothing was fitted on; `more` is what else the domain reads."""
    return produce(run, "evaluate", prepared, trained, *more, on_new=show_scores)

"""The retraining flow: train a new model on new data, and promote it if it is better than the champion."""

from typing import Any, cast

from prefect import flow
from prefect.states import Completed

from gristmill.tasks.retraining import (
    before_selection,
    check_drift,
    count_judgeable,
    find_new_rows,
    judge,
    judge_recovery,
    promote,
    recovery_run,
    with_champions_recipe,
    with_needed_candidates,
    with_only,
)
from gristmill.tasks.retraining_run import limited_time, retraining_run
from gristmill.tasks.stage_tasks import ingest, run_up_to


@flow(name="retrain", flow_run_name="retrain {pipeline}", persist_result=False)
def retrain(
    pipeline: str, overrides: list[str] | None = None, project: str | None = None, accept: bool = False
) -> dict[str, Any]:
    """Retrain a pipeline if its data has changed, and promote the new model if it is better.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
        accept: use new data even if it breaks a rule for arrivals.

    Returns:
        The run record; its field `retraining` holds the findings and the decision. The run's state in Prefect is named
        after the decision: Promoted, Rejected, Waiting or Nothing new.
    """
    with retraining_run(pipeline, overrides or [], project, accept) as run:
        with limited_time(run):
            # 1. Is there enough new data, and has the champion become worse?
            artifacts = ingested = ingest(run)
            recipe = None
            retraining = find_new_rows(run, artifacts["ingest"])
            if retraining.verdict != "nothing new":
                retraining = check_drift(run, retraining, artifacts["ingest"])
            # 2. Train a challenger: a new selection, and the champion's recipe on the new data.
            if not retraining.over:
                run = with_needed_candidates(run, retraining)
                artifacts = run_up_to("preprocess", run, artifacts)
                retraining = count_judgeable(run, retraining, artifacts)
            if not retraining.over:
                artifacts = run_up_to("evaluate", run, artifacts)
                recipe = with_champions_recipe(run)
                refitted = run_up_to("evaluate", recipe, before_selection(artifacts)) if recipe else None
                retraining = judge(run, retraining, artifacts, refitted)
                if recipe and refitted and retraining.kept_recipe:
                    run, artifacts, recipe = recipe, refitted, None
            # 3. While an alarm about errors lasts, compare simple forecasters with the model that would serve.
            if recovery := recovery_run(run, retraining):
                judged, simple = run.record().stages, run_up_to("evaluate", recovery, ingested)
                retraining = judge_recovery(recovery, retraining, simple, artifacts)
                if retraining.recovered:
                    run, artifacts = with_only(recovery, retraining.winner[0]), before_selection(simple)
                else:
                    run.update_record(stages=judged)
            # 4. Export the winner.
            if not retraining.over:
                if recipe and not retraining.recovered:
                    artifacts = before_selection(artifacts)  # so that the record holds the new selection
                run_up_to("export", run, artifacts)
        # 5. Promote it; there is no time limit between the new champion and its record.
        if not retraining.over:
            retraining = promote(run, retraining)
    verdict, record = str(retraining.verdict), run.record().model_dump(mode="json")
    return cast("dict[str, Any]", Completed(name=verdict.capitalize(), message=retraining.why, data=record))

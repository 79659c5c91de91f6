"""The retraining flow: train a new model on new data, and promote it if it is better than the champion."""

from typing import Any, cast

from prefect import flow
from prefect.states import Completed

from gristmill.tasks.recovery import judge_recovery, recovery_run, with_only
from gristmill.tasks.retraining import (
    before_selection,
    check_drift,
    count_judgeable,
    judge,
    look_for_news,
    promote,
    with_champions_recipe,
    with_needed_candidates,
)
from gristmill.tasks.retraining_run import limited_time, retraining_run
from gristmill.tasks.stage_tasks import ingest, run_up_to


@flow(name="retrain", flow_run_name="retrain {pipeline}", persist_result=False)
def retrain(pipeline: str, overrides: list[str] | None = None, project: str | None = None) -> dict[str, Any]:
    """Retrain a pipeline if its data has changed, and promote the new model if it is better.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        project: folder of `pipelines.toml`; default: found from the current folder upward.

    Returns:
        The run record; its field `retraining` holds the findings and the decision. The run's state in Prefect is named
        after the decision: Promoted, Rejected, Waiting or Nothing new.
    """
    with retraining_run(pipeline, overrides or [], project) as run:
        with limited_time(run):
            made = ingested = ingest(run)
            found = look_for_news(run, made["ingest"])
            if found.verdict != "nothing new":
                found = check_drift(run, found, made["ingest"])
            if not found.over:
                run = with_needed_candidates(run, found)
                made = run_up_to("preprocess", run, made)
                found = count_judgeable(run, found, made)
            if not found.over:
                made = run_up_to("evaluate", run, made)
                recipe = with_champions_recipe(run)
                refitted = run_up_to("evaluate", recipe, before_selection(made)) if recipe else None
                found = judge(run, found, made, refitted)
            if not found.over:
                if recipe and refitted and found.kept_recipe:
                    run, made = recipe, refitted
                elif recipe:
                    made = before_selection(made)  # so that the record holds the new selection
                run_up_to("export", run, made)
            elif recovery := recovery_run(run, found):
                made = run_up_to("evaluate", recovery, ingested)
                found = judge_recovery(recovery, found, made)
                if not found.over:
                    run = with_only(recovery, found.winner[0])
                    run_up_to("export", run, before_selection(made))
        if not found.over:
            found = promote(run, found)
    verdict, record = str(found.verdict), run.record().model_dump(mode="json")
    return cast("dict[str, Any]", Completed(name=verdict.capitalize(), message=found.why, data=record))

"""The flow that keeps a pipeline fresh: new data in, a model that has shown it is better out."""

from typing import Any

from prefect import flow

from tasks.ingest import ingest
from tasks.retraining import count_judgeable, from_champion, judge, look_for_news, promote, retraining, watch_champion
from tasks.stage_tasks import up_to


@flow(name="retrain", flow_run_name="retrain {pipeline}", persist_result=False)
def retrain(pipeline: str, overrides: list[str] | None = None, project: str | None = None) -> dict[str, Any]:
    """Retrain a pipeline where its data has changed, and serve the new model where it is better.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5`.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.

    Returns:
        The run record; its `retraining` tells what was found and decided.
    """
    with retraining(pipeline, overrides or [], project) as run:
        made = {"ingest": ingest(run)}
        found = look_for_news(run, made["ingest"])
        if found.verdict != "nothing new":
            found = watch_champion(run, found, made["ingest"])
        if not found.over:
            run = from_champion(run)
            made = up_to("preprocess", run, made)
            found = count_judgeable(run, found, made)
        if not found.over:
            made = up_to("evaluate", run, made)
            found = judge(run, found, made)
        if not found.over:
            made = up_to("export", run, made)
            promote(run, found)
    return run.record().model_dump(mode="json")

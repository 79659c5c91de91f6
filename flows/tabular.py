"""The tabular flow: a table in, a tested model of one of its columns out."""

from typing import Any

from prefect import flow

from tasks.run_stage import recorded_run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, train


@flow(name="tabular", flow_run_name="{pipeline}", persist_result=False)
def tabular(
    pipeline: str, overrides: list[str] | None = None, refresh: str | None = None, project: str | None = None
) -> dict[str, Any]:
    """Ingest a table, split and encode its rows, train, evaluate, export; return the run record.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        refresh: a stage to run again even on a cache hit.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
    """
    with recorded_run(pipeline, overrides or [], refresh, project) as run:
        table = ingest(run)
        rows = preprocess(run, table)
        network = train(run, rows)
        scores = evaluate(run, rows, network)
        export(run, rows, network, scores)
    return run.record().model_dump(mode="json")

"""The tabular flow: a table in, a tested model of one of its columns out."""

from typing import Any

from prefect import flow

from tasks.evaluate import evaluate
from tasks.export import export
from tasks.ingest import ingest
from tasks.preprocess import preprocess
from tasks.run_stage import recorded
from tasks.train import train


@flow(name="tabular", flow_run_name="{pipeline}", persist_result=False)
def tabular(
    pipeline: str, overrides: list[str] | None = None, refresh: str | None = None, project: str | None = None
) -> dict[str, Any]:
    """Ingest a table, split and encode its rows, train, evaluate, export.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5`.
        refresh: a stage to do again even if its result is in the store.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.

    Returns:
        The run record.
    """
    with recorded(pipeline, overrides or [], refresh, project) as run:
        table = ingest(run)
        rows = preprocess(run, table)
        network = train(run, rows)
        scores = evaluate(run, rows, network)
        export(run, rows, network, scores)
    return run.record().model_dump(mode="json")

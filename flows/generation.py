"""The generation flow: plain texts in, a tested network that goes on writing out."""

from typing import Any

from prefect import flow

from tasks.evaluate import evaluate
from tasks.export import export
from tasks.ingest import ingest
from tasks.preprocess import preprocess
from tasks.run_stage import recorded
from tasks.train import train


@flow(name="generation", flow_run_name="{pipeline}", persist_result=False)
def generation(
    pipeline: str, overrides: list[str] | None = None, refresh: str | None = None, project: str | None = None
) -> dict[str, Any]:
    """Ingest texts, make tokens of them, train, evaluate, export.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5`.
        refresh: a stage to do again even if its result is in the store.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.

    Returns:
        The run record.
    """
    with recorded(pipeline, overrides or [], refresh, project) as run:
        texts = ingest(run)
        tokens = preprocess(run, texts)
        network = train(run, tokens)
        scores = evaluate(run, tokens, network)
        export(run, tokens, network, scores)
    return run.record().model_dump(mode="json")

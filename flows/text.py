"""The text flow: labelled texts in, a tested classifier of strings out."""

from typing import Any

from prefect import flow

from tasks.run_stage import recorded_run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, train


@flow(name="text", flow_run_name="{pipeline}", persist_result=False)
def text(
    pipeline: str,
    overrides: list[str] | None = None,
    refresh: str | None = None,
    project: str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Ingest texts, tokenize them, train, evaluate, export; return the run record.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        refresh: a stage to run again even on a cache hit.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
        jobs: chunks of texts at a time on a remote cluster; default: as [runner] says.
    """
    with recorded_run(pipeline, overrides or [], refresh, project, jobs=jobs) as run:
        texts = ingest(run)
        tokens = preprocess(run, texts)
        network = train(run, tokens)
        scores = evaluate(run, tokens, network, texts)
        export(run, tokens, network, scores, texts)
    return run.record().model_dump(mode="json")

"""The vision flow: photos in, a tested classifier out."""

from typing import Any

from prefect import flow

from tasks.evaluate import evaluate
from tasks.export import export
from tasks.features import features
from tasks.ingest import ingest
from tasks.preprocess import preprocess
from tasks.run_stage import recorded
from tasks.train import train


@flow(name="vision", flow_run_name="{pipeline}", persist_result=False)
def vision(
    pipeline: str,
    overrides: list[str] | None = None,
    refresh: str | None = None,
    project: str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Ingest photos, bring them to one size, show them to a base that stays as it is, train, evaluate, export.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5`.
        refresh: a stage to do again even if its result is in the store.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.
        jobs: chunks of photos that a cluster elsewhere does at a time; as `[runner]` says if not given.

    Returns:
        The run record.
    """
    with recorded(pipeline, overrides or [], refresh, project, jobs=jobs) as run:
        photos = ingest(run)
        images = preprocess(run, photos)
        seen = [features(run, images)] if "features" in run.stages else []
        network = train(run, images, *seen)
        scores = evaluate(run, images, network, *seen)
        export(run, images, network, scores)
    return run.record().model_dump(mode="json")

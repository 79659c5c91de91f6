"""The vision flow: photos in, a tested classifier out."""

from typing import Any

from prefect import flow

from tasks.run_stage import recorded_run
from tasks.stage_tasks import evaluate, export, features, ingest, preprocess, train


@flow(name="vision", flow_run_name="{pipeline}", persist_result=False)
def vision(
    pipeline: str,
    overrides: list[str] | None = None,
    refresh: str | None = None,
    project: str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Ingest photos, resize them, compute features of a frozen base, train, evaluate, export; return the run record.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        refresh: a stage to run again even on a cache hit.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
        jobs: chunks of photos at a time on a remote cluster; default: as [runner] says.
    """
    with recorded_run(pipeline, overrides or [], refresh, project, jobs=jobs) as run:
        photos = ingest(run)
        images = preprocess(run, photos)
        seen = [features(run, images)] if "features" in run.stages else []
        network = train(run, images, *seen)
        scores = evaluate(run, images, network, *seen)
        export(run, images, network, scores)
    return run.record().model_dump(mode="json")

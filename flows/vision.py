"""The vision flow: train, test and export a classifier of photos."""

from flows.domain import domain_flow
from tasks.run_stage import Run
from tasks.stage_tasks import evaluate, export, features, ingest, preprocess, train


@domain_flow
def vision(run: Run) -> None:
    """Ingest photos, resize them, compute features of a frozen base, train, evaluate, export."""
    photos = ingest(run)
    images = preprocess(run, photos)
    seen = [features(run, images)] if "features" in run.stages else []
    network = train(run, images, *seen)
    scores = evaluate(run, images, network, *seen)
    export(run, images, network, scores)

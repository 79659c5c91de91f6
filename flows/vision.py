"""The vision flow: train, test and export a classifier of photos."""

from flows.domain import domain_flow
from tasks.run import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, select, train


@domain_flow
def vision(run: Run) -> None:
    """Ingest photos, resize them, train, evaluate, export."""
    made = ingest(run)
    made |= preprocess(run, made)
    made |= train(run, made)
    made |= select(run, made)
    made |= evaluate(run, made)
    made |= export(run, made)

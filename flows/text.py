"""The text flow: train, test and export a classifier of strings."""

from flows.domain import domain_flow
from tasks.run import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, select, train


@domain_flow
def text(run: Run) -> None:
    """Ingest texts, tokenize them, train, evaluate, export."""
    made = ingest(run)
    made |= preprocess(run, made)
    made |= train(run, made)
    made |= select(run, made)
    made |= evaluate(run, made)
    made |= export(run, made)

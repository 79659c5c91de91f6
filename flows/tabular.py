"""The tabular flow: train, test and export a model that predicts one column of a table."""

from flows.domain import domain_flow
from tasks.run import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, select, train


@domain_flow
def tabular(run: Run) -> None:
    """Ingest a table, split its rows, train, evaluate, export."""
    made = ingest(run)
    made |= preprocess(run, made)
    made |= train(run, made)
    made |= select(run, made)
    made |= evaluate(run, made)
    made |= export(run, made)

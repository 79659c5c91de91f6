"""The tabular flow: train, test and export a model that predicts one column of a table."""

from flows.domain import domain_flow
from tasks.run_stage import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, train


@domain_flow
def tabular(run: Run) -> None:
    """Ingest a table, split and encode its rows, train, evaluate, export."""
    table = ingest(run)
    rows = preprocess(run, table)
    network = train(run, rows)
    scores = evaluate(run, rows, network)
    export(run, rows, network, scores)

"""The time-series flow: train, test and export a forecaster."""

from flows.domain import domain_flow
from tasks.run import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, refit, select, train


@domain_flow
def timeseries(run: Run) -> None:
    """Ingest series, prepare windows, train, backtest, evaluate, refit on all data, export."""
    made = ingest(run)
    made |= preprocess(run, made)
    made |= train(run, made)
    made |= select(run, made)
    made |= evaluate(run, made)
    made |= refit(run, made)
    made |= export(run, made)

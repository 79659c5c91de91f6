"""The time-series flow: train, test and export a forecaster."""

from flows.domain import domain_flow
from tasks.run_stage import Run
from tasks.stage_tasks import backtests, evaluate, export, ingest, preprocess, refit, train


@domain_flow
def timeseries(run: Run) -> None:
    """Ingest series, cut them into windows, train, backtest, evaluate, refit on all data, export."""
    series = ingest(run)
    windows = preprocess(run, series)
    network = train(run, windows)
    blocks = backtests(run, windows)
    scores = evaluate(run, windows, network, *blocks)
    final = [refit(run, windows, network)] if "refit" in run.stages else []
    export(run, windows, network, scores, *final)

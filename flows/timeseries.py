"""The time-series flow: train, test and export a forecaster."""

from gristmill.flows.domain import domain_flow

timeseries = domain_flow(
    __name__, "Ingest series, prepare windows, train, backtest, evaluate, refit on all data, export."
)

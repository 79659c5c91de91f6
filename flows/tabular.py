"""The tabular flow: train, test and export a model that predicts one column of a table."""

from gristmill.flows.domain import domain_flow

tabular = domain_flow(__name__, "Ingest a table, split its rows, train, evaluate, export.")

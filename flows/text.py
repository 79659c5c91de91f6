"""The text flow: train, test and export a classifier of strings."""

from gristmill.flows.domain import domain_flow

text = domain_flow(__name__, "Ingest texts, tokenize them, train, evaluate, export.")

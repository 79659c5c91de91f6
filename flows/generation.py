"""The generation flow: train, test and export a model that continues plain texts."""

from gristmill.flows.domain import domain_flow

generation = domain_flow(__name__, "Ingest texts, tokenize them, train, evaluate, export.")

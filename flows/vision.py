"""The vision flow: train, test and export a classifier of photos."""

from gristmill.flows.domain import domain_flow

vision = domain_flow(__name__, "Ingest photos, resize them, train, evaluate, export.")

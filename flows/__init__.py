"""Prefect flows: one per domain, and flows for parallel runs, trials and retrainings."""

from gristmill.util.telemetry import opt_out

opt_out()  # before Prefect is imported, which would report its use

"""Prefect tasks, one a stage: each asks the store, calls the core if there is work, and returns a reference."""

from gristmill.util.telemetry import opt_out

opt_out()  # before Prefect is imported, which would report its use

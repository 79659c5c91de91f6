"""Prefect tasks, one per stage: look up the store, call the core on a cache miss."""

from gristmill.util.telemetry import opt_out

opt_out()  # before Prefect is imported, which would report its use

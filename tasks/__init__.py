"""Prefect tasks, one per stage: each looks up the store, calls the core on a cache miss, and returns a reference."""

from gristmill.util.telemetry import opt_out

opt_out()  # before Prefect is imported, which would report its use

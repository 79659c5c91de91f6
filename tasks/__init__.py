"""Prefect tasks, one per stage, and those of retraining, monitoring and sweeps."""

from gristmill.util.telemetry import opt_out

opt_out()  # before Prefect is imported, which would report its use

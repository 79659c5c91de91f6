"""Prefect tasks, one a stage: each asks the store, calls the core where there is work, and passes on a reference."""

from gristmill.util.telemetry import opt_out

opt_out()  # Prefect, which every module here imports, reports from its import on

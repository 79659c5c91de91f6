"""Prefect flows, one a domain."""

from gristmill.telemetry import opt_out

opt_out()  # Prefect, which every module here imports, reports from its import on

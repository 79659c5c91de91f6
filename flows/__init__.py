"""Prefect flows, one a domain."""

from gristmill.util.telemetry import opt_out

opt_out()  # Prefect, which every module here imports, reports from its import on

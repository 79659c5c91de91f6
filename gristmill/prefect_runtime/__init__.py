"""Prefect's server, flow runs, deployments and automations."""

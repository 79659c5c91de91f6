"""Prefect's server, and the start of flow runs."""

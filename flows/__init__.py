"""Prefect flows, one a domain."""

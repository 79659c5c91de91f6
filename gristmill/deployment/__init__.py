"""Deployments of a project on a Prefect server, and its image for containers."""

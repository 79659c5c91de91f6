"""Propose a first `pipelines.toml` from the data.

Each domain has a module with a function `propose`. It uses the project's own sources and stages, so that its proposals
are valid.
"""

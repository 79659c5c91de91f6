"""Proposal of a first `pipelines.toml` from a look at the data.

Each domain has a module with a function `propose`. It uses the project's own sources and stages, so that a run accepts
what it proposes.
"""

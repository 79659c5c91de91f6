"""Schemas of a pipeline's data, in `schemas/NAME.toml`: checked on arrival, proposed from data."""

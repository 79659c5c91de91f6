"""The schema of a pipeline's data, `schemas/NAME.toml`: check data by it, propose it from data."""

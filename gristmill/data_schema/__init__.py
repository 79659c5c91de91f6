"""The schema of a pipeline's data, `schemas/NAME.toml`: check data against it, or propose it from data."""

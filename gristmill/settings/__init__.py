"""Base classes of all tables in pipelines.toml, and settings that all domains share."""

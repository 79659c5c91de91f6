"""Prefect tasks, one a stage: each asks the store, calls the core where there is work, and passes on a reference."""

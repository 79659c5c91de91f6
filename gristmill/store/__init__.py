"""Artifacts in a local folder, and the code that each result depends on."""

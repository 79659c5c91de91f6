"""Artifacts in a folder or a bucket, downloads, and the code that each result depends on."""

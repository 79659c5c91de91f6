"""Readers of data, one module per kind of source."""

"""Execution of one run: its settings and time, and each of its stages."""

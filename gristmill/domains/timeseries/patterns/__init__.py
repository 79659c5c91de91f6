"""Patterns in series: seasons, trends, changes, anomalies and sparse demand."""

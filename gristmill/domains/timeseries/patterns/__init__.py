"""Patterns in series: seasons, trends, changes and anomalies."""

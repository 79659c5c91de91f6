"""Tabular regression: a table in, a tested model of one of its columns out."""

"""Tabular regression: train and test a model that predicts one column of a table from others."""

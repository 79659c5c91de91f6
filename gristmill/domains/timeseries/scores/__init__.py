"""Scores of forecasts, of backtests and of features."""

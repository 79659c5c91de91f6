"""Prediction intervals: their calibration, and their quantiles in an exported network."""

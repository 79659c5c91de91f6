"""Data of time series: read, cleaned, put on a grid, split and cut into windows."""

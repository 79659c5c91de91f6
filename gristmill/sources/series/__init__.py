"""Time series that are not read from a table, with one module per kind."""

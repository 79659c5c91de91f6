"""Time series that are not read from a table, one kind a module."""

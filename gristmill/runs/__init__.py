"""The plan and its reasons, run records, and where data is stored."""

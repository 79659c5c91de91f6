"""The plan and its reasons, run records, scores, and where data lies."""

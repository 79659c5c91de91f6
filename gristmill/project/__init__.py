"""The Python API: a project, its status, results and predictions."""

"""Answered predictions of a pipeline's model: their log, their truth, and how good they were."""

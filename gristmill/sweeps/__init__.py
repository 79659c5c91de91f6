"""Trials of a sweep and their leaderboard."""

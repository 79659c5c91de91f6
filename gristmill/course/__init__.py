"""The table of the course's networks and their scores."""

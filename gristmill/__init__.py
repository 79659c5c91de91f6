"""gristmill: raw data in, trained, tested, exported TensorFlow models out; cached, and never stale."""

import time

STARTED_NS = time.time_ns()
"""When this process began to load gristmill's code: what is older on disk is what runs."""

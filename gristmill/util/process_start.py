"""Time at which this process began to load gristmill: source files that are older hold the code that runs."""

import time

STARTED_NS = time.time_ns()

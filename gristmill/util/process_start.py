"""When this process began to load gristmill's code: source that is older on disk is the code that runs."""

import time

STARTED_NS = time.time_ns()

"""A small process that waits for the end of a run's process, and sends the messages about the run if it was killed.

It loads the project only then. A run that has sent its messages itself ends the watcher.
"""

import os
import sys
import time
from pathlib import Path

from gristmill.util.processes import TEMPORARY_API_VARIABLE, is_running

_PAUSES = (0, 10, 60, 300, 1800)  # seconds before each attempt; later the next run tries again
_CHECK_INTERVAL = 0.1  # seconds


def main(pid: int, identity: str, project: str) -> None:
    """Wait for the end of a process, then send what is due."""
    sys.stdin.buffer.read()  # the kernel closes the pipe when the process ends
    while is_running(pid, identity):
        time.sleep(_CHECK_INTERVAL)
    from gristmill.config.catalogue import load
    from gristmill.notifications.delivery import deliver

    if os.environ.pop(TEMPORARY_API_VARIABLE, None):  # a server that ended with the process
        os.environ.pop("PREFECT_API_URL", None)
    for pause in _PAUSES:
        time.sleep(pause)
        if deliver(load(Path(project))):
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])

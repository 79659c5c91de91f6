"""A process that tries trials one after the other: a line of JSON in, the assignments; a line out, why it failed.

That is null for one that did not. The process ends when the pipe that it reads is closed, which the kernel does when
the parent is gone.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

from gristmill.backend import import_keras
from gristmill.entrypoints import import_own
from gristmill.lines import Lines


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listen(requests: "queue.SimpleQueue[list[str]]") -> None:
    """Pass on what comes; end the process, even in the middle of a trial, when nothing can come any more.

    Killed, not told to end: Prefect's server is gone with the parent, and would be asked in vain for many minutes.
    """
    for line in sys.stdin:
        requests.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGKILL)


def _log_to_page() -> None:
    """Have Prefect's page told how trials go; the terminal only of warnings, for what came of each is told there."""
    warnings = Lines(lambda text: print(text, file=sys.stderr, flush=True))
    warnings.setLevel(logging.WARNING)
    for logger in map(logging.getLogger, ("gristmill", "tasks")):
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(warnings)


def main(pipeline: str, project: str) -> None:
    """Try whatever comes."""
    signal.signal(signal.SIGTERM, _interrupt)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a user's model prints is no answer
    requests: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    trial = import_own("flows.trial").trial
    _log_to_page()
    import_keras()
    while True:
        assignments = requests.get()
        ended = trial(pipeline, assignments, project, return_state=True).result(raise_on_failure=False)
        failed = f"{type(ended).__name__}: {ended}" if isinstance(ended, Exception) else None
        print(json.dumps(failed), file=answers, flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*sys.argv[1:])

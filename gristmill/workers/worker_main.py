"""A process that does units one after the other: a line of JSON in, what is to be done; a line out, what came of it.

It ends when the pipe that it reads is closed, which the kernel does when the parent is gone, and when nothing has come
for a while: a Dask worker keeps it for the next unit, and may outlive by weeks those who send them.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from types import FrameType
from typing import Any

from gristmill.errors import GristmillError
from gristmill.prefect_runtime.entrypoints import import_own
from gristmill.prefect_runtime.launch import set_up_prefect
from gristmill.training.keras_backend import import_keras
from gristmill.util.log_lines import PlainLogHandler
from gristmill.workers import environment
from gristmill.workers.unit import WorkResult

IDLE = 60.0  # seconds without a unit after which it ends


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listen(requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Pass on what comes; end the process, even in the middle of a unit, when nothing can come any more.

    Killed, not told to end: Prefect's server is gone with the parent, and would be asked in vain for many minutes.
    """
    for line in sys.stdin:
        requests.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGKILL)


def _log_to_page() -> None:
    """Have Prefect's page told how units go; the terminal only of warnings, for what came of each is told there."""
    warnings = PlainLogHandler(lambda text: print(text, file=sys.stderr, flush=True))
    warnings.setLevel(logging.WARNING)
    for logger in map(logging.getLogger, ("gristmill", "tasks")):
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(warnings)


def _done(flow: str, parameters: dict[str, Any], api: str) -> WorkResult:
    from gristmill.prefect_runtime.server import runs_watched_by

    with runs_watched_by(api):
        ended = getattr(import_own(f"flows.{flow}"), flow)(**parameters, return_state=True).result(
            raise_on_failure=False
        )
    if not isinstance(ended, Exception):
        return WorkResult(ended)
    error = type(ended).__name__
    return WorkResult(failed=f"{error}: {ended}", error=error)


def main() -> None:
    """Do whatever comes."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a user's model prints is no answer
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    here = environment.fingerprint()
    api = ""
    while True:
        asked = requests.get(timeout=IDLE)
        amiss = environment.mismatch(here, asked["surroundings"], asked["unit"]["parameters"]["project"])
        try:
            if not amiss and not api:
                api = _set_up()
            done = WorkResult(failed=amiss) if amiss else _done(**asked["unit"], api=api)
        except GristmillError as error:  # what it needs is not to be had here
            done = WorkResult(failed=str(error))
        print(json.dumps(asdict(done)), file=answers, flush=True)


def _set_up() -> str:
    """Load what takes seconds: Prefect, an API for it where none is named, and TensorFlow; return the API's address."""
    set_up_prefect()
    from gristmill.prefect_runtime.server import starting_api

    api = starting_api()
    import_own("tasks.run_stage")
    _log_to_page()
    import_keras()
    return api()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, queue.Empty):
        main()

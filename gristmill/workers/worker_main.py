"""Main program of a worker process: it reads each unit and writes each result as one line of JSON.

It ends when its parent ends, which closes the pipe, or when it has been idle for a while: a Dask worker keeps it for
the next unit, and may outlive its clients by weeks.
"""

import json
import logging
import queue
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from types import FrameType
from typing import Any

from gristmill.errors import GristmillError
from gristmill.prefect_runtime.entrypoints import load_flow
from gristmill.prefect_runtime.set_up import set_up_prefect
from gristmill.training.keras_backend import import_keras
from gristmill.util.log_lines import PlainLogHandler
from gristmill.util.processes import receive_requests
from gristmill.workers.process import WorkResult, fingerprint, mismatch

IDLE_TIMEOUT = 60.0  # seconds


def main() -> None:
    """Run units until the process is idle or its parent ends."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    requests, answers = receive_requests()
    own = fingerprint()
    api = ""
    while True:
        request = requests.get(timeout=IDLE_TIMEOUT)
        problem = mismatch(own, request["client"], request["unit"]["parameters"]["project"])
        try:
            if not problem and not api:
                api = _set_up()
            result = WorkResult(failed=problem) if problem else _run_flow(**request["unit"], api=api)
        except GristmillError as error:  # something that it needs is missing here
            result = WorkResult(failed=str(error))
        print(json.dumps(asdict(result)), file=answers, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _set_up() -> str:
    """Load Prefect, its API unless the settings name one, and TensorFlow, which takes seconds; return the API's URL."""
    set_up_prefect()
    from gristmill.prefect_runtime.server import start_api

    wait_for_api = start_api()
    load_flow("chunk")  # it imports what other flows need too
    # Prefect's page gets all messages; the terminal gets warnings only, since the parent reports the results.
    warnings = PlainLogHandler(lambda text: print(text, file=sys.stderr, flush=True))
    warnings.setLevel(logging.WARNING)
    logger = logging.getLogger("gristmill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(warnings)
    import_keras()
    return wait_for_api()


def _run_flow(flow: str, parameters: dict[str, Any], api: str) -> WorkResult:
    from gristmill.prefect_runtime.server import tag_runs

    run = load_flow(flow)
    with tag_runs(api):
        value = run(**parameters, return_state=True).result(raise_on_failure=False)
    if not isinstance(value, Exception):
        return WorkResult(value)
    error = type(value).__name__
    return WorkResult(failed=f"{error}: {value}", error=error)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, queue.Empty):
        main()

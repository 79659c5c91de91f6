"""Watcher process that enforces `schedule.timeout` on a retraining: by SIGTERM, then by SIGKILL.

It loads the project and Prefect only before SIGKILL, to record the reason, since a killed process cannot.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from gristmill.util.processes import is_running, start_watcher

_SECONDS_BEFORE_SIGKILL = 30  # after SIGTERM


@contextmanager
def enforce_timeout(
    seconds: float, reason: str, project: Path, pipeline: str, run: str, flow_run: str
) -> Iterator[None]:
    """End this process if the block takes longer; if it is killed, the records of run and flow run hold the reason."""
    watcher = start_watcher(
        "gristmill.prefect_runtime.timeout_watcher", f"{seconds}", reason, f"{project}", pipeline, run, flow_run
    )
    try:
        yield
    finally:
        watcher.communicate()  # closes the pipe, and waits: a signal on its way arrives within the block


def main(pid: int, identity: str, seconds: float, *record: str) -> None:
    """End the process if its block does not end in time."""
    if _block_ends_within(seconds):
        return
    os.kill(pid, signal.SIGTERM)
    if not _block_ends_within(_SECONDS_BEFORE_SIGKILL):
        try:
            _record_end(*record)
        finally:  # a project that cannot be read must not keep the process alive
            if is_running(pid, identity):
                os.kill(pid, signal.SIGKILL)


def _block_ends_within(seconds: float) -> bool:
    """Wait for the end of the block or of the process, which closes the pipe; return whether it came in time."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _record_end(reason: str, project: str, pipeline: str, run: str, flow_run: str) -> None:
    """Record the reason first; otherwise the run would look like a crash and be restarted."""
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    from gristmill.config.catalogue import load
    from gristmill.prefect_runtime.api_errors import best_effort
    from gristmill.runs.records import Runs

    with best_effort(), get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(flow_run), Failed(message=reason), force=True)
    Runs(load(Path(project)).store).finish(pipeline, run, "failed", error=reason)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *sys.argv[4:])

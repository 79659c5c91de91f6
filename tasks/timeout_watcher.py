"""A small process that ends the process of a retraining after a time: by SIGTERM, and by SIGKILL if that has no effect.

It loads the project and Prefect only if it must kill the process, which then cannot say itself why it ended.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from gristmill.util.processes import is_running
from gristmill.util.watchers import start_watcher

_SECONDS_TO_END = 30  # after SIGTERM


@contextmanager
def ended_after(seconds: float, reason: str, project: Path, pipeline: str, run: str, flow_run: str) -> Iterator[None]:
    """End this process if the block takes longer; if it is killed, the records of run and flow run hold the reason."""
    watcher = start_watcher(
        "gristmill.tasks.timeout_watcher", f"{seconds}", reason, f"{project}", pipeline, run, flow_run
    )
    try:
        yield
    finally:
        watcher.communicate()  # closes the pipe, and waits: a signal on its way arrives within the block


def main(pid: int, identity: str, seconds: float, *record: str) -> None:
    """Wait until the block has ended or its time is over; then end the process."""
    if _block_ends_within(seconds):
        return
    os.kill(pid, signal.SIGTERM)
    if not _block_ends_within(_SECONDS_TO_END):
        _record_end(*record)
        if is_running(pid, identity):
            os.kill(pid, signal.SIGKILL)


def _block_ends_within(seconds: float) -> bool:
    """Wait for the end of the block or of the process, which closes the pipe; return whether it came in time."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _record_end(reason: str, project: str, pipeline: str, run: str, flow_run: str) -> None:
    """Note the reason before the process is killed, so that nobody takes it for a crash and starts it again."""
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    from gristmill.config.catalogue import load
    from gristmill.prefect_runtime.api_errors import best_effort
    from gristmill.runs.records import Runs

    Runs(load(Path(project)).store).finish(pipeline, run, "failed", reason)
    with best_effort(), get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(flow_run), Failed(message=reason), force=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *sys.argv[4:])

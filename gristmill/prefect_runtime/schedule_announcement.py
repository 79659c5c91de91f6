"""File in a store that names the temporary server of the running `gristmill schedule`, for `gristmill updated`.

A lock, which the kernel releases when the process of the schedule ends, shows whether it still runs.
"""

import contextlib
import json
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from gristmill.store.store import Store

FILE = "schedule.json"

_LOCK = "schedule"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduleAnnouncement:
    """A running `gristmill schedule`: its temporary server and its pipelines."""

    api: str
    pipelines: list[str]
    host: str
    pid: int


@contextlib.contextmanager
def announce_schedule(store: Store, api: str, pipelines: list[str]) -> Iterator[None]:
    """Write the file while a schedule runs; warn instead if another schedule of the store has written it.

    Raises:
        StoreError: the store is not writable.
    """
    file = store.root / FILE
    with store.lock(_LOCK, wait=False) as first:
        if not first:
            logger.warning(
                "another gristmill schedule is already running on the store %s, and gristmill updated uses it; "
                "to reach this schedule, set PREFECT_API_URL=%s",
                store.root,
                api,
            )
            yield
            return
        announced = ScheduleAnnouncement(api, pipelines, socket.gethostname(), os.getpid())
        store.write(file, json.dumps(asdict(announced)))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def find_running_schedule(store: Store) -> ScheduleAnnouncement | None:
    """Return the schedule that runs on a store and this machine; None if the file is missing or outdated."""
    try:
        announced = ScheduleAnnouncement(**json.loads((store.root / FILE).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    with store.lock(_LOCK, wait=False) as outdated:
        return None if outdated or announced.host != socket.gethostname() else announced

"""File by which `gristmill updated` finds the temporary server of the `gristmill schedule` that runs on the same store.

A lock, which the kernel frees when the schedule's process ends, tells whether it still runs.
"""

import contextlib
import json
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import write_json

FILE = "schedule.json"

_LOCK = "schedule"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Announcement:
    """A `gristmill schedule` that runs: its temporary server and what it retrains."""

    api: str
    pipelines: list[str]
    host: str
    pid: int


@contextlib.contextmanager
def announced(store: Store, api: str, pipelines: list[str]) -> Iterator[None]:
    """Write the file while a schedule runs; where another schedule of the store has written it, warn instead.

    Raises:
        StoreError: the store cannot be written to.
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
        with translate_disk_errors(store.root):
            write_json(file, asdict(Announcement(api, pipelines, socket.gethostname(), os.getpid())))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def find(store: Store) -> Announcement | None:
    """Return the schedule that runs on a store and this machine; None where the file is missing or was left behind."""
    try:
        found = Announcement(**json.loads((store.root / FILE).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    with store.lock(_LOCK, wait=False) as left_behind:
        return None if left_behind or found.host != socket.gethostname() else found

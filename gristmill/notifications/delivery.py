"""Send the messages about runs, each once, also after the process of a run was killed.

    root/notifications/<pipeline>/<run>         a run that may have messages to send: the command that starts such runs
    root/notifications/<pipeline>/sent.json     last message of each kind: ID of the run at which its condition began

A run has its file from its start until it has ended and its messages were sent. A message is sent before it is noted,
so that none is lost: a process that is killed between these steps leaves a message that is sent a second time.

In a shared store, this folder is the local cache of one machine, which sends the messages about its own runs.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path

from gristmill.config.catalogue import Catalogue
from gristmill.errors import GristmillError
from gristmill.notifications.messages import Facts, due_messages
from gristmill.registry.registry import Registry
from gristmill.runs.records import Record, Runs
from gristmill.settings.file_tables import Notify
from gristmill.store.store import Store
from gristmill.util.files import translate_disk_errors, write_json
from gristmill.util.processes import start_watcher

_FOLDER, _SENT = "notifications", "sent.json"
_WATCHER = "gristmill.notifications.run_watcher"  # program that sends what is due when the run has ended

logger = logging.getLogger(__name__)


@contextmanager
def messages_about(catalogue: Catalogue, record: Record, command: str | None) -> Iterator[None]:
    """Send the messages about a run at its end; a process beside it sends them if this process is killed.

    `command` is the one that starts such runs; it is None for a run without messages.
    """
    if catalogue.notify is None or command is None:
        yield
        return
    expect_messages(catalogue.store, record, command)
    watcher = start_watcher(_WATCHER, str(catalogue.root))
    try:
        yield
    finally:
        if deliver(catalogue):
            watcher.kill()
            watcher.communicate()


def send_messages(catalogue: Catalogue, record: Record, command: str) -> None:
    """Send the messages about a run that has ended."""
    if catalogue.notify is not None:
        expect_messages(catalogue.store, record, command)
        deliver(catalogue)


def expect_messages(store: Store, record: Record, command: str) -> None:
    """Note that a run may have messages to send."""
    store.write(store.root / _FOLDER / record.pipeline / record.id, command)


def deliver(catalogue: Catalogue) -> bool:
    """Send all messages that are due, and return whether that succeeded; if not, log a warning."""
    if catalogue.notify is None:
        return True
    try:
        with catalogue.store.lock(_FOLDER), translate_disk_errors(catalogue.store.root):
            _send_due(catalogue, catalogue.notify)
    except GristmillError as error:
        logger.warning("a message could not be sent and is kept. %s", error)
        return False
    return True


def _send_due(catalogue: Catalogue, notify: Notify) -> None:
    from gristmill.prefect_runtime.message_receiver import open_receiver  # late: it loads httpx

    store, send = catalogue.store, None
    for file in sorted(store.root.glob(f"{_FOLDER}/*/[!.]*"), key=lambda file: file.name):
        facts = None if file.name == _SENT else _facts(store, file)
        if facts is None:
            continue
        noted, where = file.with_name(_SENT), f"Project {catalogue.root} on host {facts.record.host}"
        sent = _read_sent(noted)
        for message in due_messages(facts, notify):
            if sent.get(message.kind) != message.began:
                send = send or open_receiver(notify).send
                send(message.subject, f"{message.body}\n{where}")
                sent[message.kind] = message.began
                write_json(noted, sent)
        if facts.record.outcome != "running":
            file.unlink()


def _read_sent(file: Path) -> dict[str, str]:
    """Return the noted messages; none if the file is missing or damaged."""
    try:
        noted = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _facts(store: Store, file: Path) -> Facts | None:
    """Return a run and its context; remove the file if the run's record is missing or damaged."""
    runs, registry, pipeline = Runs(store), Registry(store), file.parent.name
    try:
        record = runs.read(pipeline, file.name)
    except GristmillError:
        file.unlink()
        return None

    def earlier() -> Iterator[Record]:
        return dropwhile(lambda other: other.id >= record.id, runs.newest_first(pipeline))

    # A retraining may have been killed after a promotion, before its record said so.
    retraining = record.retraining
    promoted_by = retraining.version if retraining else None
    if retraining and not retraining.verdict and record.outcome != "running":
        promoted = {promotion.version for promotion in registry.promotions(pipeline)}
        own = (version.number for version in registry.versions(pipeline) if version.run == record.id)
        promoted_by = next((number for number in own if number in promoted), None)
    return Facts(record, file.read_text(), earlier, promoted_by, registry.promoted(pipeline))

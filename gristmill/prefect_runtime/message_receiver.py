"""The receiver of messages about runs: an apprise URL in an environment variable, or a notification block of Prefect.

What apprise and Prefect report may contain the address, which often is a secret. So neither their logs nor their
errors are shown, except the HTTP status.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from logging.handlers import BufferingHandler
from typing import Any, NamedTuple

from gristmill.errors import RequestError, WorkError
from gristmill.prefect_runtime.server import ensure_api
from gristmill.settings.file_tables import Notify

_SERVICES = "https://appriseit.com/services/"


class Receiver(NamedTuple):
    """Someone who gets messages."""

    name: str  # for messages, without the address
    send: Callable[[str, str], None]  # sends a subject and a body; raises `WorkError`


def open_receiver(notify: Notify) -> Receiver:
    """Return the receiver of messages; raise `RequestError` or `WorkError` if there is none."""
    return _address(notify.url_env) if notify.url_env else _block(str(notify.block))


def _address(variable: str) -> Receiver:
    import apprise  # late, like Prefect: only messages need it; Prefect brings it

    # Let apprise read the address.
    url = os.environ.get(variable)
    if not url:
        raise RequestError(
            f"[notify] url_env: the environment variable {variable} is not set. Set it to an apprise URL where runs "
            f"start: {_SERVICES}."
        )
    client = apprise.Apprise()
    with _hidden_log():
        is_known = client.add(url)
    if not is_known:
        raise RequestError(
            f"[notify] url_env: the environment variable {variable} does not hold an apprise URL. Use one of these: "
            f"{_SERVICES}."
        )
    name = f"{variable} ({', '.join(str(service.service_name) for service in client)})"

    def send(subject: str, body: str) -> None:
        with _hidden_log() as logged:
            sent = client.notify(body=body, title=subject, body_format=apprise.NotifyFormat.TEXT)
        if not sent:
            raise WorkError(_refusal(name, " ".join(record.getMessage() for record in logged)))

    return Receiver(name, send)


def _block(block_name: str) -> Receiver:
    # Load the block from Prefect's API.
    ensure_api()
    from httpx import HTTPError, InvalidURL
    from prefect.blocks.abstract import NotificationBlock, NotificationError
    from prefect.blocks.core import Block

    try:
        block = Block.load(block_name)
    except ValueError:  # there is no such block
        block = None
    except HTTPError as error:
        raise WorkError(_refusal(block_name, str(error))) from None
    if not isinstance(block, NotificationBlock):
        raise unknown_block(block_name)

    notify: Any = block.notify  # which is asynchronous only in asynchronous code

    def send(subject: str, body: str) -> None:
        try:
            with _hidden_log(), block.raise_on_failure():
                notify(body, subject)
        except NotificationError as error:
            raise WorkError(_refusal(block_name, error.log)) from None
        except (HTTPError, InvalidURL, OSError, ValueError) as error:  # blocks use different libraries
            raise WorkError(_refusal(block_name, str(error))) from None

    return Receiver(block_name, send)


def unknown_block(name: str) -> RequestError:
    """Return the error for a block that cannot receive messages."""
    return RequestError(
        f"[notify] block: {name!r} is not a Prefect notification block. Use one of these, TYPE/NAME: prefect block ls."
    )


def _refusal(receiver: str, reported: str) -> str:
    """Return the message of a failed attempt; `reported` may contain the address."""
    status = re.search(r"\berror=(\d{3})\b|'(\d{3}) ", reported)
    reason = f"HTTP status {status[1] or status[2]}" if status else "it was not reached, or refused the message"
    return f"[notify] {receiver}: {reason}. Check it: gristmill doctor --notify."


@contextmanager
def _hidden_log() -> Iterator[list[logging.LogRecord]]:
    """Keep what is logged about a request from all other handlers, and yield the list of its records."""
    handler = BufferingHandler(capacity=sys.maxsize)
    with ExitStack() as restored:
        for logger in map(logging.getLogger, ("apprise", "httpx", "urllib3")):
            restored.callback(setattr, logger, "propagate", logger.propagate)
            restored.callback(logger.removeHandler, handler)
            logger.propagate = False
            logger.addHandler(handler)
        yield handler.buffer

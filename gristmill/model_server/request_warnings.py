"""Warnings of a request, which belong into its answer and not into the log of the server."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local


class RequestWarnings(logging.Handler):
    """Collect the warnings that a thread logs while it answers a request."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of_thread = local()

    @contextmanager
    def collected(self) -> Iterator[list[str]]:
        """Yield the list to which the warnings of this thread are added in the block."""
        self._of_thread.messages = found = list[str]()
        try:
            yield found
        finally:
            del self._of_thread.messages

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(self._of_thread, "messages"):
            self._of_thread.messages.append(record.getMessage())

    def install(self) -> None:
        """Receive the records of gristmill, and keep those of requests from the other handlers."""
        log = logging.getLogger("gristmill")
        for other in log.handlers:
            other.addFilter(self._is_of_server)
        log.addHandler(self)

    def _is_of_server(self, record: logging.LogRecord) -> bool:
        return not hasattr(self._of_thread, "messages")

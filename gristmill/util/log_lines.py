"""The log as a person reads it: plain lines."""

import logging
from collections.abc import Callable


class PlainLogHandler(logging.Handler):
    """Says log records as plain lines; a warning once, however many steps of a command come upon the same."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say
        self._warnings: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            self._say(message)
        elif message not in self._warnings:
            self._warnings.add(message)
            self._say(f"warning: {message}")

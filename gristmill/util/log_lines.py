"""Log records printed as plain lines."""

import logging
from collections.abc import Callable


class PlainLogHandler(logging.Handler):
    """Print log records as plain lines, and each distinct warning only once."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        super().__init__()
        self._print_line = print_line
        self._warnings: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            self._print_line(message)
        elif message not in self._warnings:
            self._warnings.add(message)
            self._print_line(f"warning: {message}")

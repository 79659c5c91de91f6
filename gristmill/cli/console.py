"""Consoles: results on standard output, messages and errors on standard error.

Rich is imported late: a run with nothing to do prints no table.
"""

import logging
import os
import shutil
import sys
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from gristmill.util.log_lines import PlainLogHandler

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

logger = logging.getLogger(__name__)

_MESSAGE_INDENT = " " * 11  # width of a label such as `ingest` and the space after it
WIDTH_WITHOUT_TERMINAL = 200  # characters of a line of a wrapped table

_debug = False


@cache
def out() -> "Console":
    """Return the console for results."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(highlight=False, emoji=False, soft_wrap=True, width=width)


@cache
def err() -> "Console":
    """Return the console for messages."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=True, stderr=True)


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return the number of characters of a line of standard output, or `stream`; None without a terminal."""
    stream = stream or sys.stdout
    if os.environ.get("COLUMNS") or (stream is sys.stdout and stream.isatty()):
        return shutil.get_terminal_size().columns
    return (os.get_terminal_size(stream.fileno()).columns or None) if stream.isatty() else None  # 0 if it is unknown


def set_up(level: int, debug: bool) -> None:
    """Show gristmill's log from this level on; with `debug`, errors come with tracebacks."""
    global _debug
    _debug = debug
    handler = PlainLogHandler(say)
    shown = logging.getLogger("gristmill")
    shown.setLevel(level)
    shown.propagate = False
    shown.handlers = [handler]


def debugging() -> bool:
    """Whether `--debug` was given."""
    return _debug


def is_quiet() -> bool:
    """Whether `--quiet` was given."""
    return not logger.isEnabledFor(logging.INFO)


def say(text: str) -> None:
    """Print a message, wrapped to the terminal if there is one."""
    err().print(wrapped(text, _MESSAGE_INDENT, sys.stderr), markup=False)


def show_error(error: Exception) -> None:
    """Print an error."""
    for line in str(error).splitlines():
        label = "error: "
        err().print(styled(label, "red").append(wrapped(line, " " * len(label), sys.stderr, len(label))))


def write(text: str) -> None:
    """Print a line of results."""
    out().print(text, markup=False)


def write_sentence(text: str, indent: str = "") -> None:
    """Print a line of results, wrapped to the terminal."""
    write(wrapped(text, indent))


def wrapped(text: str, indent: str, stream: TextIO | None = None, column: int = 0) -> str:
    """Return a text that is wrapped between words to the terminal, if there is one.

    It begins in a `column` of its line, and `indent` precedes further lines.
    """
    if (width := terminal_width(stream)) is None:
        return text
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    options |= {"initial_indent": " " * column, "subsequent_indent": indent}
    return "\n".join(textwrap.fill(line, width, **options)[column:] for line in text.splitlines())


def styled(text: str, style: str) -> "Text":
    """Return text in a style of rich, such as a colour."""
    from rich.text import Text

    return Text.assemble((text, style))

"""Consoles: results and tables on standard output, messages and errors on standard error.

Rich is imported late: a run with nothing to do prints no table.
"""

import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from gristmill.util.log_lines import PlainLogHandler

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    Column = tuple[str, Iterable[str | Text]]  # heading of one line or two, and cells

logger = logging.getLogger(__name__)

_MESSAGE_INDENT = " " * 11  # width of a label such as `ingest` and the space after it
WIDTH_WITHOUT_TERMINAL = 200  # characters of a line of a wrapped table
MIN_SENTENCE_WIDTH = 20

_GAP = 2  # spaces between two columns of a table

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
    package_logger = logging.getLogger("gristmill")
    package_logger.setLevel(level)
    package_logger.propagate = False
    package_logger.handlers = [PlainLogHandler(say)]


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


def print_columns(
    columns: "Iterable[Column]", numbers: Container[str] = (), shrink: Sequence[tuple[str, int]] = ()
) -> None:
    """Print a table that fits the terminal, without its empty columns.

    `numbers` are the headings of columns to align on the right. `shrink` lists headings of columns to shrink, in this
    order until the table fits, each with its minimum width, or 0 to leave the column out. Other columns are never cut,
    even if the table stays too wide.
    """
    from rich.cells import cell_len

    # Find the columns to show and their widths.
    texts = [(heading, list(map(_as_text, cells))) for heading, cells in columns]
    texts = [(heading, cells) for heading, cells in texts if not cells or any(cell.plain for cell in cells)]
    widths = {
        heading: max(map(cell_len, [*heading.split("\n"), *(cell.plain for cell in cells)])) for heading, cells in texts
    }
    widths = _fit(widths, terminal_width() or sys.maxsize, shrink)
    texts = [(heading, cells) for heading, cells in texts if heading in widths]

    # Draw them.
    table = _new_table()
    for heading, _ in texts:
        table.add_column(
            _as_text(heading), justify="right" if heading in numbers else "left", no_wrap=True, width=widths[heading]
        )
    for row in zip(*(cells for _, cells in texts), strict=True):
        table.add_row(*row)
    _print_table(table, sum(widths.values()) + _GAP * len(widths))


def _fit(natural: Mapping[str, int], available: int, shrink: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return the widths after the fewest steps of `shrink` that make the table fit, or after all of them."""

    def excess(widths: Mapping[str, int]) -> int:
        return sum(widths.values()) + _GAP * (len(widths) - 1) - available

    widths = dict(natural)
    for count in range(1, len(shrink) + 1):
        if excess(widths) <= 0:
            break
        minimum = dict(shrink[:count])
        widths = {heading: width for heading, width in natural.items() if minimum.get(heading, 1)}
        for heading in filter(widths.get, minimum):
            smallest = min(minimum[heading], widths[heading])
            widths[heading] = max(smallest, widths[heading] - max(0, excess(widths)))
    return widths


def print_wrapped(headings: Sequence[str], rows: "Iterable[Sequence[str | Text]]") -> None:
    """Print a table whose last column holds sentences, which wrap on a narrow terminal."""
    texts = [list(map(_as_text, row)) for row in rows]
    table = _new_table()
    for heading in headings:
        table.add_column(_as_text(heading), no_wrap=heading != headings[-1], overflow="fold")
    for row in texts:
        table.add_row(*row)
    *left, _ = zip(map(_as_text, headings), *texts, strict=True)
    indent = sum(max(cell.cell_len for cell in column) + _GAP for column in left)
    _print_table(table, max(terminal_width() or WIDTH_WITHOUT_TERMINAL, indent + MIN_SENTENCE_WIDTH))


def _as_text(cell: "str | Text") -> "Text":
    from rich.text import Text

    return Text(cell) if isinstance(cell, str) else cell


def _new_table() -> "Table":
    from rich.table import Table

    return Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")


def _print_table(table: "Table", width: int) -> None:
    """Print a table of at most this width, without blanks at the ends of lines."""
    from rich.cells import cell_len
    from rich.segment import Segment, Segments

    segments = []
    for line in out().render_lines(table, out().options.update(width=width)):
        text = "".join(segment.text for segment in line).rstrip()
        segments += [*Segment.adjust_line_length(line, cell_len(text)), Segment.line()]
    out().print(Segments(segments), end="")

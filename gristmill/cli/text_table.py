"""Text tables whose columns shrink or disappear on a narrow terminal."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gristmill.cli import console

if TYPE_CHECKING:
    from rich.text import Text

MIN_SENTENCE_WIDTH = 20

_GAP = 2  # spaces between two columns

Widths = dict[str, int]  # of columns, by heading


@dataclass(frozen=True)
class TextColumn:
    """A column: its heading, of one line or two, and its cells."""

    heading: str
    cells: "Sequence[Text]"
    numbers: bool = False  # aligned on the right

    @property
    def heading_lines(self) -> tuple[str, str]:
        """The upper line of the heading, empty if there is one line only, and the lower line."""
        upper, _, lower = self.heading.rpartition("\n")
        return upper, lower


def column(heading: str, cells: "Iterable[str | Text]", numbers: bool = False) -> TextColumn:
    """Return a column of plain or styled cells."""
    from rich.text import Text

    return TextColumn(heading, [Text(cell) if isinstance(cell, str) else cell for cell in cells], numbers)


def print_columns(columns: Sequence[TextColumn], shrink: Sequence[tuple[str, int]] = ()) -> None:
    """Print a table that fits the terminal; for `shrink` see `lines`."""
    for line in lines(columns, console.terminal_width(), shrink):
        console.out().print(line)


def print_wrapped(headings: Sequence[str], rows: "Iterable[Sequence[str | Text]]") -> None:
    """Print a table whose last column holds plain sentences, which wrap on a narrow terminal."""
    *columns, sentences = zip(headings, *rows, strict=True)
    left = list(lines([column(str(heading), cells) for heading, *cells in columns], None))
    indent = max(line.cell_len for line in left) + 2
    width = max(console.terminal_width() or console.WIDTH_WITHOUT_TERMINAL, indent + MIN_SENTENCE_WIDTH)
    for line, sentence in zip(left, sentences, strict=True):
        line.pad_right(indent - line.cell_len)
        text = textwrap.fill(str(sentence), width, initial_indent=" " * indent, subsequent_indent=" " * indent)
        line.append(text[indent:], "dim" if line is left[0] else "")
        line.rstrip()
        console.out().print(line)


def lines(columns: Sequence[TextColumn], width: int | None, shrink: Sequence[tuple[str, int]] = ()) -> "Iterator[Text]":
    """Yield the lines of a table without its empty columns, of at most `width` characters.

    `shrink` lists headings of columns to shrink, in this order until the table fits, each with its minimum width, or 0
    to leave the column out. Other columns are never cut, even if the table stays too wide.
    """
    from rich.text import Text

    columns = [column for column in columns if not column.cells or any(cell.plain for cell in column.cells)]
    widths = _natural_widths(columns)
    if width is not None:
        widths = _fit(widths, width, shrink)
    columns = [column for column in columns if column.heading in widths]
    if any(column.heading_lines[0] for column in columns):
        line, end = "", -_GAP
        for column in columns:
            start, end = end + _GAP, end + _GAP + widths[column.heading]
            if upper := column.heading_lines[0]:
                line = line.ljust(end - len(upper) if column.numbers else start) + upper
        yield Text(line, "dim")
    headings = [Text(column.heading_lines[1], "dim") for column in columns]
    for cells in (headings, *zip(*(column.cells for column in columns), strict=True)):
        parts = []
        for column, cell in zip(columns, cells, strict=True):
            part = cell.copy()
            part.truncate(widths[column.heading], overflow="ellipsis")
            part.align("right" if column.numbers else "left", widths[column.heading])
            parts.append(part)
        row = Text(" " * _GAP).join(parts)
        row.rstrip()
        yield row


def _natural_widths(columns: Sequence[TextColumn]) -> Widths:
    """Return the width of each column; an upper line may extend over preceding columns without an upper line."""
    widths, free = Widths(), 0
    for column in columns:
        upper, lower = column.heading_lines
        width = max(len(lower), *(cell.cell_len for cell in column.cells), 0)
        if upper:
            width, free = max(width, len(upper) - (free if column.numbers else 0)), 0
        else:
            free += width + _GAP
        widths[column.heading] = width
    return widths


def _fit(natural: Widths, width: int, shrink: Sequence[tuple[str, int]]) -> Widths:
    """Return the widths after the fewest steps of `shrink` that make the table fit, or after all of them."""
    widths = natural
    for count in range(1, len(shrink) + 1):
        if _excess(widths, width) <= 0:
            break
        minimum = dict(shrink[:count])
        widths = {heading: size for heading, size in natural.items() if minimum.get(heading, 1)}
        for heading in [heading for heading in minimum if heading in widths]:
            excess = max(0, _excess(widths, width))
            widths[heading] = max(min(minimum[heading], widths[heading]), widths[heading] - excess)
    return widths


def _excess(widths: Widths, width: int) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1) - width

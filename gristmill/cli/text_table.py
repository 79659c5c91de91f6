"""Tables of the terminal: columns of which some give way where the terminal is narrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_GAP = 2  # spaces between two columns

Widths = dict[str, int]  # of columns, by heading


@dataclass(frozen=True)
class Column:
    """A column: its heading, of one line or two, and its cells."""

    heading: str
    cells: "Sequence[Text]"
    numbers: bool = False  # aligned on the right

    @property
    def above(self) -> str:
        """The upper line of a heading of two lines."""
        return self.heading.rpartition("\n")[0]

    @property
    def below(self) -> str:
        """The line of the heading above the cells."""
        return self.heading.rpartition("\n")[2]


def lines(columns: Sequence[Column], width: int | None, give_way: Sequence[tuple[str, int]] = ()) -> "Iterator[Text]":
    """Yield the lines of a table; a column without content is left out.

    Where the table is too wide, columns give way in the order of `give_way` until it fits. The others are never cut:
    a table of them that is still too wide stays so.

    Args:
        columns: the columns, with one cell for each row.
        width: characters of a line; None for as many as the table needs.
        give_way: headings, each with the width that its column may shrink to, or 0 to leave it out.
    """
    told = [column for column in columns if not column.cells or any(cell.plain for cell in column.cells)]
    shown = {column.heading: column for column in told}
    widths = _natural(told)
    if width is not None:
        widths = _fitted(widths, width, give_way)
    kept = {heading: shown[heading] for heading in widths}
    yield from _headings(kept, widths)
    for cells in zip(*(column.cells for column in kept.values()), strict=True):
        yield _line(kept, widths, cells)


def _natural(columns: Sequence[Column]) -> Widths:
    """Return the width of each column. The upper line of a heading may reach over columns before that have none."""
    widths, free = Widths(), 0
    for column in columns:
        width = max(len(column.below), *(cell.cell_len for cell in column.cells), 0)
        if column.above:
            width, free = max(width, len(column.above) - (free if column.numbers else 0)), 0
        else:
            free += width + _GAP
        widths[column.heading] = width
    return widths


def _fitted(natural: Widths, width: int, give_way: Sequence[tuple[str, int]]) -> Widths:
    """Return the widths after as few steps of giving way as make the table fit, or after all of them."""
    widths = natural
    for count in range(1, len(give_way) + 1):
        if _excess(widths, width) <= 0:
            break
        least = dict(give_way[:count])
        widths = {heading: size for heading, size in natural.items() if least.get(heading, 1)}
        for heading in [heading for heading in least if heading in widths]:
            excess = max(0, _excess(widths, width))
            widths[heading] = max(min(least[heading], widths[heading]), widths[heading] - excess)
    return widths


def _excess(widths: Widths, width: int) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1) - width


def _headings(columns: Mapping[str, Column], widths: Widths) -> "Iterator[Text]":
    from rich.text import Text

    if any(column.above for column in columns.values()):
        line, end = "", -_GAP
        for column in columns.values():
            start, end = end + _GAP, end + _GAP + widths[column.heading]
            if column.above:
                line = line.ljust(end - len(column.above) if column.numbers else start) + column.above
        yield Text(line, "dim")
    yield _line(columns, widths, [Text(column.below, "dim") for column in columns.values()])


def _line(columns: Mapping[str, Column], widths: Widths, cells: "Sequence[Text]") -> "Text":
    from rich.text import Text

    parts = []
    for column, cell in zip(columns.values(), cells, strict=True):
        part = cell.copy()
        part.truncate(widths[column.heading], overflow="ellipsis")
        part.align("right" if column.numbers else "left", widths[column.heading])
        parts.append(part)
    line = Text(" " * _GAP).join(parts)
    line.rstrip()
    return line

"""What a cell of a notebook, or of a terminal, shows of a result: a section of a report by itself."""

import re
from collections.abc import Iterator

from gristmill.reports.rendering import render_template
from gristmill.reports.sections import Section, Table


def as_html(section: Section) -> str:
    """Return a section with its tables, the first row marked, and its pictures, in the ink of the page it stands on.

    Its styles hold within it alone. matplotlib's, which comes with every picture, is for all lines of the page: it is
    left out, and the template has it for those of the picture.
    """
    pictures = [re.sub(r"<(style|metadata)\b.*?</\1>", "", picture, flags=re.DOTALL) for picture in section.pictures]
    return render_template("cell.html", section=section, pictures=pictures)


def as_text(section: Section) -> str:
    """Return a section without its pictures as lines."""
    return "\n".join([section.title, section.note, *(line for table in section.tables for line in _lines(table))])


def _lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table, its figures right-aligned under their headings."""
    headings = [heading.replace("\n", " ") for heading in table.headings]
    widths = [max(map(len, column)) for column in zip(headings, *table.rows, strict=True)]
    for first, *others in [headings, *table.rows]:
        figures = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([f"{first:<{widths[0]}}", *figures])

"""A single section of a report, for a notebook cell or a terminal."""

import re
from collections.abc import Iterator

from gristmill.reports.page import render_template
from gristmill.reports.sections import Section, Table


def as_html(section: Section) -> str:
    """Return a section with its tables, in which the model's row is marked, and its pictures.

    Its styles must not affect the rest of the notebook. matplotlib's style in every picture applies to all lines of the
    page, so it is removed; the template has one for the picture.
    """
    pictures = [re.sub(r"<(style|metadata)\b.*?</\1>", "", picture, flags=re.DOTALL) for picture in section.pictures]
    return render_template("cell.html", section=section, pictures=pictures)


def as_text(section: Section) -> str:
    """Return a section as lines, without its pictures."""
    return "\n".join([section.title, section.note, *(line for table in section.tables for line in _lines(table))])


def _lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table, its values right-aligned under their headings."""
    headings = [heading.replace("\n", " ") for heading in table.headings]
    widths = [max(map(len, column)) for column in zip(headings, *table.rows, strict=True)]
    for first, *others in [headings, *table.rows]:
        values = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([f"{first:<{widths[0]}}", *values])

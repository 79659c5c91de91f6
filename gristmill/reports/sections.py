"""The content of a page: sections with notes, pictures, tables and passages of text."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column names the row, the others hold numbers or words.

    A heading may have two lines.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    words: bool = False
    folded: bool = False  # shown on a click on its title


@dataclass(frozen=True)
class Passage:
    """A text that is shown unchanged, line by line."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of a report: a note, pictures as SVG, tables, passages of text."""

    title: str
    note: str = ""
    pictures: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)

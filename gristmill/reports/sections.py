"""The content of a page: sections with notes, pictures, tables and passages of text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

BEST = "best"  # badge of the row with the best score


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column names the row, the others hold numbers or words.

    A heading may have two lines. As tiles, the first column holds pictures or, with `words`, texts, and the others
    are captions.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    words: bool = False
    tiles: bool = False
    folded: bool = False  # shown on a click on its title, or on a link to its anchor
    anchor: str = ""  # name in the address of its page
    marks: dict[int, str] = field(default_factory=dict)  # badge of a row, such as "best", by its position

    @classmethod
    def of_columns(cls, title: str, headings: list[str], columns: Iterable[Iterable[str]], **more: Any) -> "Table":
        """Return a table from the cells of its columns."""
        return cls(title, headings, list(map(list, zip(*columns, strict=True))), **more)


@dataclass(frozen=True)
class Passage:
    """A text that is shown unchanged, line by line."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of a report: a note of a paragraph a line, pictures as SVG, tables, passages of text."""

    title: str
    note: str = ""
    pictures: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The section's name in the address of its page: `forecast-and-truth`."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")

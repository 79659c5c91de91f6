"""Where plain texts to learn to write from come, one file a kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Document:
    """One text as it was found."""

    id: str  # unique in its source: path below the common folder, or position
    text: str
    where: str  # what a message about it begins with


class WritingSource(Protocol):
    """A source of plain texts."""

    def documents(self, paths: Sequence[Path]) -> Iterator[Document]:
        """Yield every text, in an order that depends on the files alone.

        Raises:
            DataError: naming the file that cannot be read.
        """
        ...

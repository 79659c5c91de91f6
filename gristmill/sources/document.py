"""Plain texts for training a network that generates text, and the protocol of their sources (one module per kind)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Document:
    """One text as found."""

    id: str  # unique in its source: path below the common folder, or position
    text: str
    where: str  # name in messages


class DocumentSource(Protocol):
    """Source of plain texts."""

    def documents(self, paths: Sequence[Path]) -> Iterator[Document]:
        """Yield every text, in an order that depends on the files alone.

        Raises:
            DataError: naming the file that cannot be read.
        """
        ...

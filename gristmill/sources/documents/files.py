"""Plain text files, one or many, for training a network that generates text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from gristmill.settings.base import Files
from gristmill.sources.file_content import read_text
from gristmill.sources.rows import relative_names

_PLAIN = (".txt", ".text", ".md")


@dataclass(frozen=True)
class Document:
    """One text as found."""

    id: str  # path below the common folder, or 1 for a single file
    text: str
    where: str  # name in messages


class TextFiles(Files):
    """One document per file, in path order; in a folder, only files with a plain-text suffix are read."""

    suffixes: ClassVar[tuple[str, ...]] = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))

    kind: Literal["files"]
    encoding: str = "utf-8"  # encoding of the files by its Python name, such as "cp1252"

    def documents(self, paths: Sequence[Path]) -> Iterator[Document]:
        """Yield the texts of the located files; raise `DataError` for one that cannot be read."""
        names = relative_names(paths) if len(paths) > 1 else ["1"]  # a single file may be renamed without changing it
        for name, path in zip(names, paths, strict=True):
            yield Document(name, read_text(path, self.encoding), str(path))

"""Plain text files, one or many."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from gristmill.settings.base import Files
from gristmill.sources.decoded import decoded
from gristmill.sources.document import Document
from gristmill.sources.rows import below

_PLAIN = (".txt", ".text", ".md")


class TextFiles(Files):
    """One document a file, in the order of their paths; in a folder those count that end like plain text."""

    suffixes: ClassVar[tuple[str, ...]] = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))

    kind: Literal["files"]
    encoding: str = "utf-8"  # of the files, by a name that Python knows: "cp1252"

    def documents(self, paths: Sequence[Path]) -> Iterator[Document]:
        """Yield the files' texts; the id is the path below the common folder, or 1 where there is one file.

        Args:
            paths: the located files; those named `.gz` are unpacked.

        Raises:
            DataError: a file cannot be read, or is not in the encoding.
        """
        names = below(paths) if len(paths) > 1 else ["1"]  # the name of the only file counts nowhere
        for name, path in zip(names, paths, strict=True):
            yield Document(name, decoded(path, self.encoding), str(path))

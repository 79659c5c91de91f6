"""Texts in folders, or in archives of folders."""

from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import ClassVar, Literal

from gristmill.errors import DataError
from gristmill.settings.base import Files
from gristmill.sources import archives
from gristmill.sources.decoded import decoded
from gristmill.sources.parts import part_of_folder
from gristmill.sources.rows import Rows, refuse_missing

TEXTS = (".txt", ".txt.gz")


class Folder(Files):
    """One text a file; the class of each is the name of the folder it lies in."""

    suffixes: ClassVar[tuple[str, ...]] = (*TEXTS, *archives.SUFFIXES)

    kind: Literal["folder"]
    parts: bool = False  # the folder above the class is named train, validation (or valid, val) or test
    encoding: str = "utf-8"  # of the files, by a name that Python knows: "cp1252"

    @property
    def columns(self) -> tuple[str, ...]:
        """The text, the name of its class, its path from the folder of the classes, or of the parts, on; its part."""
        return ("text", "label", "file", *(["part"] if self.parts else []))

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns, a row a file, sorted by path.

        Args:
            paths: the located files; archives (.zip, .tar, .tar.gz, .tgz) count as folders of their names.
            texts: columns that are wanted.
            numbers: columns that are wanted, too.

        Raises:
            DataError: there is no text, a file cannot be read, or a part is named otherwise.
        """
        import pandas as pd

        wanted = list(dict.fromkeys([*texts, *numbers]))
        refuse_missing(commonpath(paths), wanted, self.columns)
        with archives.gathered(paths, TEXTS) as found:
            if not found:
                raise DataError(f"{commonpath(paths)}: no text in it. Expected {', '.join(TEXTS)} in folders.")
            parts = [part_of_folder(path) for path in found] if self.parts else [None] * len(found)
            top = commonpath(_above(path, 2 + self.parts) for path in found)
            columns = {
                "text": [decoded(path, self.encoding, read) for path, read in found.items()],
                "label": [path.parent.name for path in found],
                "file": [path.relative_to(top).as_posix() for path in found],
                "part": parts,
            }
        return Rows(pd.DataFrame(columns, dtype="str")[wanted], tuple(found), tuple(range(len(found))), whole=True)


def _above(path: Path, steps: int) -> Path:
    """Return the folder so many steps above a file, or the root of the file system where there are fewer."""
    return path.parents[min(steps, len(path.parents)) - 1]

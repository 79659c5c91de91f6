"""Texts in folders, or in archives of folders."""

from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import ClassVar, Literal

from gristmill.errors import DataError
from gristmill.settings.base import Files
from gristmill.sources import archives
from gristmill.sources.file_content import read_text
from gristmill.sources.rows import Rows, select_columns
from gristmill.sources.set_names import part_of_folder

TEXTS = (".txt", ".txt.gz")


class Folder(Files):
    """One text per file; the class of each text is the name of its folder."""

    suffixes: ClassVar[tuple[str, ...]] = (*TEXTS, *archives.SUFFIXES)

    kind: Literal["folder"]
    parts: bool = False  # the folders above the classes are named train, validation (or valid, val) or test
    encoding: str = "utf-8"  # encoding of the files by its Python name, such as "cp1252"

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns: the text, its class, its path below the folder of classes or parts, its part."""
        return ("text", "label", "file", *(["part"] if self.parts else []))

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns with one row per file, sorted by path; archives count as folders."""
        import pandas as pd

        with archives.open_files(paths, TEXTS) as files:
            if not files:
                raise DataError(f"{commonpath(paths)}: no text in it. Expected {', '.join(TEXTS)} in folders.")
            top = commonpath(path.parents[min(1 + self.parts, len(path.parents) - 1)] for path in files)
            columns = {"text": [read_text(path, self.encoding, read) for path, read in files.items()]}
            columns["label"] = [path.parent.name for path in files]
            columns["file"] = [path.relative_to(top).as_posix() for path in files]
            if self.parts:
                columns["part"] = [part_of_folder(path) for path in files]
        frame = select_columns(pd.DataFrame(columns, dtype="str"), texts, numbers, commonpath(paths))
        return Rows(frame, tuple(files), tuple(range(len(files))), file_per_row=True)

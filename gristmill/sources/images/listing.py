"""Photos named in a CSV file, with their classes and metadata."""

import csv
import io
from collections.abc import Iterator, Sequence
from os.path import commonpath
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gristmill.errors import DataError, short_repr
from gristmill.settings.base import Column, Columns, Files, SourceLocation
from gristmill.sources import archives
from gristmill.sources.images.folder import HEIC, PHOTO_SUFFIXES
from gristmill.sources.photo import Photo
from gristmill.sources.rows import check_columns
from gristmill.sources.set_names import part_of_cell


class Listing(Files):
    """A CSV file with a header line and one row per photo; columns that are not named here are ignored.

    The list may be in the archive of its photos: then `path` is the archive, and `folder` is left out.
    """

    words: ClassVar[tuple[str, ...]] = ("",)

    suffixes: ClassVar[tuple[str, ...]] = (*PHOTO_SUFFIXES, *archives.SUFFIXES)  # of the files in `folder`
    libraries: ClassVar[tuple[str, ...]] = HEIC

    kind: Literal["listing"]
    path: SourceLocation = Field(min_length=1)  # path of the list, or of the archive that contains list and photos
    folder: SourceLocation = ""  # folder or archive of the photos; not needed if the list is in the archive at path
    image: Column = "image"  # column of the photos' paths, relative to the folder or to one inside it
    label: Column = "label"  # column of the class names
    part: Column = "part"  # column of train, validation (or valid, val) and test, if there is one
    metadata: Columns = ()  # additional columns to keep, such as those for evaluate.slices
    separator: str = Field(default=",", pattern=r'^[^"\r\n]$')  # one character

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield the photos that the list names, in the order of its rows.

        A file that is neither a photo nor an archive is a list; without one, the CSV files in the archives are.

        Raises:
            DataError: a photo is missing, named twice or without a class; the message names file and row.
        """
        separate = [path for path in dict.fromkeys(paths) if not path.name.lower().endswith(self.suffixes)]
        others = [path for path in dict.fromkeys(paths) if path not in separate]
        with archives.open_files(others, (*PHOTO_SUFFIXES, *(() if separate else (".csv", ".tsv")))) as files:
            # Find the photos and the lists.
            photos = {path: read for path, read in files.items() if path.name.lower().endswith(PHOTO_SUFFIXES)}
            in_archives = {path: read for path, read in files.items() if path not in photos}
            lists = {path: path.read_bytes for path in separate} or in_archives
            if not lists or not photos:
                raise DataError(
                    f"{commonpath(paths)}: {len(lists)} lists of {len(photos)} photos. Expected a CSV file at the "
                    "source's path and photos in its folder, or both in one archive."
                )
            # Each row names a photo relative to the common folder of all photos, or to the nearest one above.
            top = Path(commonpath([path.parent for path in photos]))
            rows: dict[Path, tuple[str, dict[str, str]]] = {}  # location in the list and cells, by photo
            for where, cells in (row for path, read in lists.items() for row in self._rows(path, read)):
                name = cells[self.image]
                photo = next((folder / name for folder in (top, *top.parents) if folder / name in photos), None)
                if photo is None:
                    raise DataError(
                        f"{where}: no photo {short_repr(name)} at or below {top}. Add it, or remove the row."
                    )
                if photo in rows:
                    raise DataError(f"{where}: {short_repr(name)} is in {rows[photo][0]} too. Remove one.")
                rows[photo] = where, cells
            # Yield the photos with their classes, parts and metadata.
            for photo, (where, cells) in rows.items():
                if not cells[self.label]:
                    raise DataError(
                        f"{where}, column {self.label!r}: empty. Name the photo's class, or remove the row."
                    )
                part = part_of_cell(cells[self.part], where, self.part) if self.part in cells else None
                metadata = {column: cells[column] for column in self.metadata}
                yield Photo(photo.relative_to(top).as_posix(), photos[photo](), cells[self.label], part, metadata)

    def class_names(self, paths: Sequence[Path]) -> None:
        """Return None: a list has no order of classes."""

    def _rows(self, path: Path, read: archives.Read) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield file and number of each row and its cells by column; the header is row 1, as in a spreadsheet."""
        try:
            with io.TextIOWrapper(io.BytesIO(read()), "utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=self.separator, strict=True)
                header = next(reader, [])
                check_columns(path, [self.image, self.label, *self.metadata, *header], header)
                for number, cells in enumerate(reader, 2):
                    if len(cells) not in (0, len(header)):
                        raise DataError(
                            f"{path} row {number}: {len(cells)} fields, but the header has {len(header)}. "
                            "Fix the row, or set the source's separator."
                        )
                    if any(cells):
                        yield f"{path} row {number}", dict(zip(header, cells, strict=True))
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8. Save it as UTF-8.") from None
        except csv.Error as error:
            raise DataError(f"{path} line {reader.line_num}: {error}. Fix it.") from None

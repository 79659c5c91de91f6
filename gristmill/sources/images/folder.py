"""Photos in folders, or in archives of folders."""

from collections.abc import Iterator, Sequence
from os.path import commonpath
from pathlib import Path
from typing import ClassVar, Literal

from gristmill.errors import DataError
from gristmill.settings.base import Files, OptionalColumn
from gristmill.sources import archives
from gristmill.sources.photo import Photo
from gristmill.sources.set_names import part_of_folder

READABLE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
RAW_PHOTOS = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw")
PHOTO_SUFFIXES = (*READABLE_SUFFIXES, ".heic", ".heif", ".avif", ".jxl", ".jp2", *RAW_PHOTOS)
"""Suffixes of all photos. Those not in `READABLE_SUFFIXES` count as unreadable instead of being ignored."""

HEIC = ("pillow-heif",)
"""The distribution that decides whether such photos can be read."""


class Folder(Files):
    """Photos of any size; the class of each is the name of its folder, or of the one above with `subfolders`."""

    suffixes: ClassVar[tuple[str, ...]] = (*PHOTO_SUFFIXES, *archives.SUFFIXES)
    libraries: ClassVar[tuple[str, ...]] = HEIC

    kind: Literal["folder"]
    parts: bool = False  # the folders above the classes are named train, validation (or valid, val) or test
    subfolders: OptionalColumn = None  # metadata column for folders below those of the classes: owl/TREE/1.jpg

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield the photos sorted by path; the id is the path below the folder of classes or parts.

        Args:
            paths: the located files; archives (.zip, .tar, .tar.gz, .tgz) count as folders of their names.

        Raises:
            DataError: there is no photo, a file cannot be read, a folder does not name a part, or only some photos are
                in `subfolders`.
        """
        with archives.open_files(paths, PHOTO_SUFFIXES) as images:
            # An original that cannot be read is left out if there is a photo of its name: `1.nef` next to `1.jpg`.
            readable = {path for path in images if path.name.lower().endswith(READABLE_SUFFIXES)}
            converted = {path.with_suffix("") for path in readable}
            photos = [path for path in images if path in readable or path.with_suffix("") not in converted]
            if not photos:
                raise DataError(
                    f"{commonpath(paths)}: no photo in it. Expected {', '.join(READABLE_SUFFIXES)} in folders."
                )
            if self.subfolders and len({len(path.parts) for path in photos}) > 1:
                path = min(photos, key=lambda path: len(path.parts))
                raise DataError(
                    f"{path}: lies less deep than other photos. Put it into a folder below that of its class."
                )
            depth = 1 if self.subfolders else 0
            parts = {path: part_of_folder(path.parent if depth else path) if self.parts else None for path in photos}
            top = commonpath(path.parents[1 + depth + self.parts] for path in photos)
            for path in photos:
                metadata = {self.subfolders: path.parent.name} if self.subfolders else {}
                yield Photo(
                    path.relative_to(top).as_posix(), images[path](), path.parents[depth].name, parts[path], metadata
                )

    def class_names(self, paths: Sequence[Path]) -> None:
        """Return None: folders have no order of their own."""

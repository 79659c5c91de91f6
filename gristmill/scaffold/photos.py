"""Where photos lie and what names their classes: folders, a list, or arrays."""

import os
from pathlib import Path

from gristmill.errors import DataError
from gristmill.scaffold.column import Column
from gristmill.scaffold.data import Data
from gristmill.scaffold.folders import parts_in, why_no_classes
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import read_table
from gristmill.scaffold.target_column import class_of, refuse_target
from gristmill.sources import archives
from gristmill.sources.images.arrays import Arrays
from gristmill.sources.images.folder import PHOTOS, Folder
from gristmill.sources.images.listing import Listing

_LISTS = (".csv", ".tsv")
_APPLE = (".heic", ".heif")  # photos of telephones, which nothing here reads
_PIXELS = 16  # of an image, at least

Source = tuple[list[Guess], tuple[Path, ...]]  # the table `source`, and the files it names


def source_of(data: Data, target: str | None) -> Source:
    """Return the source of photos that lie at a place.

    Args:
        data: the place.
        target: the column of classes, where a list names them.

    Raises:
        DataError: there are no photos, or nothing names their classes.
        RequestError: a column is asked for where no list is.
    """
    files = data.files()
    lists = [path for path in files if path.name.lower().endswith(_LISTS)]
    with archives.open_files([path for path in files if path.name.lower().endswith(Folder.suffixes)], PHOTOS) as found:
        photos = list(found)
    untidy = why_no_classes(photos) if photos else ""
    if photos and not untidy:
        refuse_target(target, "the folders name the classes")
        return _in_folders(data, photos)
    if len(lists) == 1 and (listing := _listed(data, lists[0], target)):
        return listing
    if photos:
        raise DataError(
            f"{data.place}: {len(photos):,} photos, but {untidy}. Put those of each class into a folder of its own and "
            "all other photos elsewhere, name the folder of the classes as --data, or write a CSV file of the columns "
            "image and label."
        )
    arrays = [path for path in files if path.name.lower().endswith(Arrays.suffixes)]
    if not arrays:
        apple = any(path.name.lower().endswith(_APPLE) for path in files)
        remedy = "Convert HEIC to JPEG." if apple else f"Or {', '.join(Arrays.suffixes)}."
        raise DataError(
            f"{data.place}: no photo among {len(files):,} files. Expected {', '.join(PHOTOS)} in a folder for each "
            f"class. {remedy}"
        )
    if arrays == lists and not any(_holds_pixels(path) for path in lists):
        raise DataError(
            f"{data.place}: a table that names no photos and holds no pixels. Name a folder of photos, a table with a "
            "column of their paths, or one of the column label and a column for each pixel."
        )
    refuse_target(target, "the arrays hold the labels")
    guesses = [Guess("kind", "arrays", "pairs of images and labels"), Guess("path", data.written, data.warning)]
    return guesses, tuple(arrays)


def _in_folders(data: Data, photos: list[Path]) -> Source:
    guesses = [Guess("kind", "folder", "a folder for each class"), Guess("path", data.written, data.warning)]
    if parts := parts_in(photos):
        guesses.append(Guess("parts", True, f"the folders above are named {', '.join(parts)}"))
    return guesses, data.files(Folder.suffixes)


def _listed(data: Data, path: Path, target: str | None) -> Source | None:
    """Return the source of photos that a CSV file names, or None where no column of it does."""
    table = read_table(data.at(path))
    image = next((column for column in table.columns.values() if _names_photos(column)), None)
    if image is None:
        return None
    label, why = class_of(table, {image.name}, target)
    folder = data if len(data.files()) > 1 else data.at(_folder_of(path, image))
    guesses = [
        Guess("kind", "listing", "a CSV file that names photos"),
        Guess("path", data.at(path).written, data.at(path).warning),
        Guess("folder", folder.written, "of the photos"),
        Guess("image", image.name, f"such as {image.cells.iloc[0]}"),
        Guess("label", label.name, why),
        *(guess for guess in table.guesses if guess.key == "separator"),
    ]
    return guesses, (path, *folder.files(Listing.suffixes))


def _names_photos(column: Column) -> bool:
    return bool(column.cells.astype("str").str.lower().str.endswith(PHOTOS).all())


def _holds_pixels(path: Path) -> bool:
    """Whether the header has as many columns as an image has pixels; the rest of the file can be large."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().count(",") >= _PIXELS


def _folder_of(path: Path, image: Column) -> Path:
    """Return the folder beside a list that holds the photos it names."""
    return Path(os.path.commonpath([(path.parent / name).parent for name in image.cells.astype("str")]))

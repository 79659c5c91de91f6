"""Where photos lie and what names their classes: folders, a list, or arrays."""

import os
from pathlib import Path

from gristmill.errors import DataError
from gristmill.scaffold.column import Column
from gristmill.scaffold.data import Data
from gristmill.scaffold.draft import Guess
from gristmill.scaffold.folders import classes_in, parts_in
from gristmill.scaffold.table import read_table
from gristmill.scaffold.targets import class_of
from gristmill.sources import archives
from gristmill.sources.images.arrays import Arrays
from gristmill.sources.images.folder import PHOTOS, Folder
from gristmill.sources.images.listing import Listing
from gristmill.sources.parts import PARTS

_LISTS = (".csv", ".tsv")

Source = tuple[list[Guess], tuple[Path, ...]]  # the table `source`, and the files it names


def source_of(data: Data, target: str | None) -> Source:
    """Return the source of photos that lie at a place.

    Args:
        data: the place.
        target: the column of classes, where a list names them.

    Raises:
        DataError: there are no photos, or nothing names their classes.
    """
    files = data.files()
    lists = [path for path in files if path.name.lower().endswith(_LISTS)]
    with archives.gathered([path for path in files if path.name.lower().endswith(Folder.suffixes)], PHOTOS) as found:
        photos = list(found)
    classes = classes_in(photos)
    if len(classes) > 1 and not all(name.lower() in PARTS for name in classes):
        return _in_folders(data, photos)
    if len(lists) == 1 and (listing := _listed(data, lists[0], target)):
        return listing
    if photos:
        raise DataError(
            f"{data.place}: {len(photos):,} photos in {', '.join(map(repr, classes))}, but nothing names their "
            "classes. Put those of each class into a folder of its own, or write a CSV file of the columns image and "
            "label."
        )
    arrays = [path for path in files if path.name.lower().endswith(Arrays.suffixes)]
    if not arrays:
        raise DataError(
            f"{data.place}: no photo among {len(files):,} files. Expected {', '.join(PHOTOS)} in a folder for each "
            f"class, or {', '.join(Arrays.suffixes)}."
        )
    return [Guess("kind", "arrays", "pairs of images and labels"), Guess("path", data.written)], tuple(arrays)


def _in_folders(data: Data, photos: list[Path]) -> Source:
    guesses = [Guess("kind", "folder", "a folder for each class"), Guess("path", data.written)]
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
        Guess("path", data.at(path).written),
        Guess("folder", folder.written, "of the photos"),
        Guess("image", image.name, f"such as {image.cells.iloc[0]}"),
        Guess("label", label.name, why),
        *(guess for guess in table.guesses if guess.key == "separator"),
    ]
    return guesses, (path, *folder.files(Listing.suffixes))


def _names_photos(column: Column) -> bool:
    return bool(column.cells.astype("str").str.lower().str.endswith(PHOTOS).all())


def _folder_of(path: Path, image: Column) -> Path:
    """Return the folder beside a list that holds the photos it names."""
    return Path(os.path.commonpath([(path.parent / name).parent for name in image.cells.astype("str")]))

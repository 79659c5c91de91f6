"""Source of photos at a place: folders, a list, or arrays."""

import os
from pathlib import Path

import pandas as pd

from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.data import Data
from gristmill.scaffold.folders import folder_guesses, why_no_classes
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import read_table
from gristmill.scaffold.target_column import check_no_target, choose_class_column
from gristmill.sources import archives
from gristmill.sources.images.arrays import ImageArrays
from gristmill.sources.images.folder import PHOTO_SUFFIXES, READABLE_SUFFIXES, Folder
from gristmill.sources.images.listing import Listing

_LISTS = (".csv", ".tsv")
_UNREAD = ("encoding", "comment", "skip_rows", "header_rows", "footer", "strip")  # settings of CSV files only
_MIN_SHARE_OF_PHOTOS = 0.9  # of the cells in a column of a list
_MIN_PIXELS = 16  # of an image

Source = tuple[list[Guess], tuple[Path, ...]]  # the table `source`, and its files


def find_source(data: Data, target: str | None) -> Source:
    """Return the source of the photos at a place."""
    files = data.files()
    lists = [path for path in files if path.name.lower().endswith(_LISTS)]
    in_folders = [path for path in files if path.name.lower().endswith(Folder.suffixes)]
    with archives.open_files(in_folders, PHOTO_SUFFIXES) as found:
        photos = list(found)
    problem = why_no_classes(photos) if photos else ""
    if photos and not problem:
        check_no_target(target, "the folders name the classes")
        return folder_guesses(data, photos, nested=True), data.files(Folder.suffixes)
    if len(lists) == 1 and (listing := _find_listing(data, lists[0], target)):
        return listing
    if photos:
        raise DataError(
            f"{data.place}: {len(photos):,} photos, but {problem}. Put those of each class into a folder of its own "
            "and all other photos elsewhere, name the folder of the classes as --data, or write a CSV file of the "
            "columns image and label."
        )
    arrays = [path for path in files if path.name.lower().endswith(ImageArrays.suffixes)]
    if not arrays:
        raise DataError(
            f"{data.place}: no photo among {count_of(len(files), 'files')}. Expected photos "
            f"({', '.join(READABLE_SUFFIXES)}) in one folder per class, or arrays ({', '.join(ImageArrays.suffixes)})."
        )
    if arrays == lists and not any(_holds_pixels(path) for path in lists):
        raise DataError(
            f"{data.place}: a table that neither names photos nor holds pixels. Name a folder of photos, a table with "
            "a column of their paths, or one of the column label and a column for each pixel."
        )
    check_no_target(target, "the arrays hold the labels")
    return data.source_guesses("arrays", "pairs of images and labels"), tuple(arrays)


def _find_listing(data: Data, path: Path, target: str | None) -> Source | None:
    """Return the source of photos named in a CSV file, or None if no column names photos."""
    table = read_table(data.at(path))
    image = next((column for column in table.columns.values() if names_photos(column)), None)
    if image is None:
        return None
    if odd := next((guess for guess in table.layout if guess.key in _UNREAD), None):
        raise DataError(
            f"{path}: needs {odd.key} = {short_repr(odd.value)} ({odd.why}), which lists of photos do not have. Save "
            "it as UTF-8, with the header in the first row, and without other rows or spaces around cells."
        )
    if not (named := _are_photos(image)).all():
        first = int((~named).argmax())
        raise DataError(
            f"{table.rows.where(first)}, column {image.name!r}: {short_repr(image.cells.iloc[first])} is not the name "
            f"of a photo. Expected {', '.join(READABLE_SUFFIXES)}. Fix or remove the row."
        )
    label, why = choose_class_column(table, {image.name}, target)
    photos = [(path.parent / name).parent for name in image.cells.astype("str")]
    folder = data if len(data.files()) > 1 else data.at(Path(os.path.commonpath(photos)))
    guesses = [
        *data.at(path).source_guesses("listing", "a CSV file that names photos"),
        Guess("folder", folder.written, "of the photos"),
        Guess("image", image.name, f"such as {image.cells.iloc[0]}"),
        Guess("label", label.name, why),
        *(guess for guess in table.guesses if guess.key == "separator"),
    ]
    return guesses, (path, *folder.files(Listing.suffixes))


def names_photos(column: SampledColumn) -> bool:
    """Return whether no cell of a column is empty and nearly all are names of photos."""
    return not column.empty and bool(_are_photos(column).mean() >= _MIN_SHARE_OF_PHOTOS)


def _are_photos(column: SampledColumn) -> "pd.Series[bool]":
    return column.cells.astype("str").str.lower().str.endswith(PHOTO_SUFFIXES)


def _holds_pixels(path: Path) -> bool:
    """Return whether the header has as many columns as an image has pixels; the rest of the file can be large."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().count(",") >= _MIN_PIXELS

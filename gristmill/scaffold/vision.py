"""Proposal for photos: their source (folders, a list, or arrays), classes and sizes."""

import io
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from gristmill.domains.common.classification import labelled
from gristmill.domains.vision import decode
from gristmill.domains.vision.models.transfer import SIDES
from gristmill.domains.vision.presets import MIN_SIDE_OF_PHOTOS
from gristmill.domains.vision.settings import Ingest, Preprocess
from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import NO_OPTIONS, ForecastOptions, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import (
    TEST_SHARE,
    auto_guesses,
    folder_guesses,
    list_classes,
    part_guesses,
    silenced,
    spelling_notes,
    why_no_classes,
)
from gristmill.scaffold.table import SampledColumn, read_table
from gristmill.scaffold.target_column import check_no_target, choose_class_column
from gristmill.settings.kinds import settings_of
from gristmill.sources import archives
from gristmill.sources.images.arrays import ImageArrays
from gristmill.sources.images.folder import PHOTO_SUFFIXES, READABLE_SUFFIXES, Folder
from gristmill.sources.images.listing import Listing
from gristmill.sources.photo import ImageSource

_MAX_SIDES = ((5_000, SIDES[1]), (10_000, SIDES[0]), (math.inf, 128))  # (maximum number of photos, pixels per side)
_SIDE_STEP = 8  # sizes are multiples of this number of pixels
_UNREAD = ("encoding", "comment", "skip_rows", "header_rows", "footer", "strip")  # settings of CSV files only

Source = tuple[list[Guess], tuple[Path, ...]]  # the table `source`, and its files


def propose(data: Data, target: str | None = None, options: ForecastOptions = NO_OPTIONS) -> Proposal:
    """Return a pipeline that classifies photos."""
    options.refuse()
    # Read the photos.
    guesses, paths = _find_source(data, target)
    values = values_of(guesses)
    source: Any = settings_of(values["kind"], "gristmill.sources.images").model_validate(values)
    photos, broken = _read_photos(source, paths)
    count, total = len(photos), len(photos) + len(broken)
    if photos.empty:
        raise DataError(f"{data.place}: none of {total} photos can be read: {broken[0]}. Fix them.")
    counts = dict(Counter(photos["label"]).most_common())
    classes = list(counts)
    index = photos.assign(label=photos["label"].map(classes.index))
    with silenced(labelled.__name__):
        warning = labelled.select_classes(index, classes, Ingest(), "photo", " that can be read").warning
    # Choose the settings. Only the user knows whether images may be mirrored; candidates set the rest of `augment`.
    ingest: list[Guess] = []
    augment: list[Guess] = []
    notes = [*filter(None, [warning]), *spelling_notes(classes, "Move the photos into one folder")]
    if len(broken) / total > Ingest().corrupt:
        share = math.ceil(len(broken) / total * 100) / 100
        ingest.append(Guess("corrupt", share, "a run leaves out the unreadable photos"))
    preprocess, size = _preprocess(photos, values.get("subfolders"))
    if size >= MIN_SIDE_OF_PHOTOS:
        why = "turn it off if left and right differ, as in letters and signs"
        augment.append(Guess("horizontal_flip", True, why))
    settings = Preprocess.model_validate(values_of(preprocess))
    tables = {
        "source": guesses,
        "ingest": ingest,
        "preprocess": preprocess,
        "augment": augment,
        "model": auto_guesses("vision", round((1 - TEST_SHARE) * count), preprocess=settings),
    }
    # Note what no setting mentions.
    if broken:
        notes.append(f"{len(broken):,} of {count_of(total, 'photos')} cannot be read. The first: {broken[0]}.")
    summary = f"{data.name}: {count_of(count, 'photos')}: {list_classes(counts)}"
    return Proposal("vision", summary, tables, notes)


def _read_photos(source: ImageSource, paths: tuple[Path, ...]) -> tuple[pd.DataFrame, list[str]]:
    """Return label, part, height, width, mode and subfolder of the readable photos, and the errors of the others."""
    rows, broken = [], []
    for photo in source.photos(paths):
        try:
            header = decode.check_photo(photo.encoded, Ingest().max_pixels)
        except DataError as error:
            broken.append(f"{photo.id}: {error}")
            continue
        with Image.open(io.BytesIO(photo.encoded)) as image:
            subfolder = next(iter(photo.metadata.values()), None)
            rows.append((photo.label, photo.part, header.height, header.width, image.mode, subfolder))
    photos = pd.DataFrame(rows, columns=["label", "part", "height", "width", "mode", "subfolder"])
    photos["part"] = pd.Series([row[1] for row in rows], dtype="str")
    return photos, broken


def _preprocess(photos: pd.DataFrame, subfolders: str | None) -> tuple[list[Guess], int]:
    """Return the table `preprocess`, and the shorter side of what a network sees, in pixels.

    Photos keep their size if they are small and of one size. Those in subfolders, named by a column, are grouped unless
    a subfolder is in several parts of the source.
    """
    # The usual size of the photos, and the limit.
    height, width = int(photos["height"].median()), int(photos["width"].median())
    limit = next(side for count, side in _MAX_SIDES if len(photos) <= count)
    # Small photos of one size stay as they are; others become squares.
    have_one_size = bool((photos["height"] == height).all() and (photos["width"] == width).all())
    side = max(_SIDE_STEP, min(limit, height, width) // _SIDE_STEP * _SIDE_STEP)
    size, why = [side, side], f"the median photo is {height} high and {width} wide"
    if have_one_size and max(height, width) <= limit:
        size, why = [height, width], "that of all photos"
    guesses = [Guess("size", size[0] if size[0] == size[1] else size, f"pixels; {why}")]
    if set(photos["mode"]) <= {"1", "L", "LA", "I;16"}:
        guesses.append(Guess("channels", 1, "all photos are grey"))
    guesses += part_guesses(set(photos["part"]))
    if subfolders and not (photos.groupby("subfolder")["part"].nunique() > 1).any():
        guesses.append(
            Guess("group", subfolders, "photos in subfolders of one name, as of one person, stay in one set")
        )
    return guesses, min(size)


def _find_source(data: Data, target: str | None) -> Source:
    """Return the source of the photos at a place."""
    # Photos in folders of their classes, or named in a list.
    files = data.files()
    lists = [path for path in files if path.name.lower().endswith((".csv", ".tsv"))]
    in_folders = [path for path in files if path.name.lower().endswith(Folder.suffixes)]
    with archives.open_files(in_folders, PHOTO_SUFFIXES) as opened:
        photos = list(opened)
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
    # Arrays, or a table of pixels.
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
    # Check that the list can be read as one, and that it names photos only.
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
    # Photos and list may be in one folder, or in two.
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
    return not column.empty and bool(_are_photos(column).mean() >= 0.9)


def _are_photos(column: SampledColumn) -> "pd.Series[bool]":
    return column.cells.astype("str").str.lower().str.endswith(PHOTO_SUFFIXES)


def _holds_pixels(path: Path) -> bool:
    """Return whether the header has as many columns as an image has pixels; the rest of the file can be large."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().count(",") >= 16

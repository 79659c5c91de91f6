"""Proposal for photos: their classes and sizes."""

import io
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from gristmill.domains.common.classification.labelled import check_classes
from gristmill.domains.vision import decode
from gristmill.domains.vision.presets import MIN_SIDE_OF_PHOTOS, weights_at_hand
from gristmill.domains.vision.settings import Ingest, Preprocess
from gristmill.errors import DataError, count_of
from gristmill.runs.locations import SEARCH_PATH
from gristmill.scaffold.data import Data
from gristmill.scaffold.photos import find_source
from gristmill.scaffold.proposal import NOTHING_ASKED, Asked, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import TEST_SHARE, auto_guesses, list_classes, part_guesses
from gristmill.settings.kinds import settings_of
from gristmill.sources.photo import ImageSource

_MAX_SIDES = ((2_000, 128), (10_000, 96))  # (maximum number of photos, pixels per side)
_MAX_SIDE_OF_MANY = 64  # pixels per side if there are more photos
_MAX_PHOTOS_FOR_BASE, _SIDE_FOR_BASE = 10_000, 224  # photos; pixels per side if weights of a base are on this machine
_SIDE_STEP = 8  # sizes are multiples of this number of pixels
_GREY_MODES = {"1", "L", "LA", "I;16"}


def propose(data: Data, target: str | None = None, asked: Asked = NOTHING_ASKED) -> Proposal:
    """Return a pipeline that classifies photos."""
    asked.refuse()
    guesses, paths = find_source(data, target)
    values = values_of(guesses)
    source: Any = settings_of(values["kind"], "gristmill.sources.images").model_validate(values)
    photos, broken = _read_photos(source, paths)
    if photos.empty:
        raise DataError(f"{data.place}: none of {len(broken)} photos can be read: {broken[0]}. Fix them.")
    counts = dict(Counter(photos["label"]).most_common())
    classes = list(counts)
    check_classes(photos.assign(label=photos["label"].map(classes.index)), classes, "photo", " that can be read")
    size = _size(photos)
    count = len(photos)
    preprocess = [*_preprocess(photos, size), *_group(photos, values.get("subfolders"))]
    learned, read = round((1 - TEST_SHARE) * count), Preprocess.model_validate(values_of(preprocess))
    tables = {
        "source": guesses,
        "ingest": _ingest(count, broken),
        "preprocess": preprocess,
        "augment": _augment(size),
        "model": auto_guesses("vision", learned, preprocess=read),
    }
    return Proposal(
        "vision",
        f"{data.name}: {count_of(count, 'photos')}: {list_classes(counts)}",
        tables,
        [*_unread(broken, count), *_notes(size)],
    )


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


def _has_size(photos: pd.DataFrame, height: int, width: int) -> bool:
    return bool((photos["height"] == height).all() and (photos["width"] == width).all())


def _size(photos: pd.DataFrame) -> tuple[int, int]:
    """Return height and width that the network sees: those of the photos if they are small and of one size."""
    height, width = int(photos["height"].median()), int(photos["width"].median())
    limit = next((side for count, side in _MAX_SIDES if len(photos) <= count), _MAX_SIDE_OF_MANY)
    if len(photos) <= _MAX_PHOTOS_FOR_BASE and weights_at_hand():
        limit = _SIDE_FOR_BASE
    if max(height, width) <= limit and _has_size(photos, height, width):
        return height, width
    side = max(_SIDE_STEP, min(limit, height, width) // _SIDE_STEP * _SIDE_STEP)
    return side, side


def _ingest(readable: int, broken: list[str]) -> list[Guess]:
    """Return the table `ingest`, which allows more unreadable photos than usual only if there are."""
    share = len(broken) / (len(broken) + readable)
    if share <= Ingest().corrupt:
        return []
    why = "a run leaves out the unreadable photos"
    return [Guess("corrupt", math.ceil(share * 100) / 100, why)]


def _preprocess(photos: pd.DataFrame, size: tuple[int, int]) -> list[Guess]:
    height, width = size
    ranges = f"the photos are {_range(photos['height'])} high and {_range(photos['width'])} wide"
    why = "that of all photos" if _has_size(photos, height, width) else ranges
    guesses = [Guess("size", height if height == width else [height, width], f"pixels; {why}")]
    if set(photos["mode"]) <= _GREY_MODES:
        guesses.append(Guess("channels", 1, "all photos are grey"))
    return guesses + part_guesses(set(photos["part"]))


def _group(photos: pd.DataFrame, column: str | None) -> list[Guess]:
    """Return the group of the photos in subfolders, unless a subfolder is in several parts of the source."""
    if not column or (photos.groupby("subfolder")["part"].nunique() > 1).any():
        return []
    return [Guess("group", column, "photos in subfolders of one name, as of one person, stay in one set")]


def _range(sides: "pd.Series[int]") -> str:
    return f"{sides.min()} to {sides.max()}, half of them up to {int(sides.median())},"


def _augment(size: tuple[int, int]) -> list[Guess]:
    """Return the table `augment`. Only the user knows whether images may be mirrored; candidates set the rest."""
    if min(size) < MIN_SIDE_OF_PHOTOS:
        return []
    return [Guess("horizontal_flip", True, "turn it off if left and right differ, as in letters and signs")]


def _unread(broken: list[str], readable: int) -> list[str]:
    """Return a note on photos that cannot be read, if there are some."""
    if not broken:
        return []
    return [f"{len(broken):,} of {count_of(len(broken) + readable, 'photos')} cannot be read. The first: {broken[0]}."]


def _notes(size: tuple[int, int]) -> list[str]:
    """Return advice on pretrained networks, if images are large enough for one and no weights are on this machine."""
    if min(size) < MIN_SIDE_OF_PHOTOS or weights_at_hand():
        return []
    return [
        "A pretrained network is far better on few photos. To add one to the candidates, put the weights of a network "
        f"of keras.applications, without its top, into a folder of {SEARCH_PATH}."
    ]

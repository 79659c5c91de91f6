"""A look at photos: how many there are of each class, how large they are, and what network suits that."""

import io
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gristmill.domains.common.classification.classes import check_classes
from gristmill.domains.vision import decode
from gristmill.domains.vision.settings import Ingest
from gristmill.errors import DataError
from gristmill.scaffold.data import Data
from gristmill.scaffold.photos import source_of
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.training_defaults import pace
from gristmill.settings.kinds import settings_of
from gristmill.sources.photo import ImageSource

_DRAWN = 48  # pixels: smaller images are digits, letters, …, which turned or mirrored are others
_SIDES = ((2_000, 128), (10_000, 96))  # photos at most, and pixels a side of what their network sees
_SMALLEST = 64  # pixels a side, of more photos
_FEW = 5_000  # photos: so few are changed at random in every epoch
_STEP = 8  # pixels by which sizes go
_GREY = {"1", "L", "LA", "I;16"}  # modes without colours
_NAMED = 6  # classes that the description names


@dataclass(frozen=True)
class _Seen:
    """What the photos are like."""

    labels: list[str]  # of each photo that can be read, as the next three are
    parts: list[str | None]  # that the data itself names
    heights: list[int]
    widths: list[int]
    modes: set[str]  # of their pixels, by Pillow's names
    broken: list[str]  # of each photo that cannot be read, which and why

    @property
    def count(self) -> int:
        """How many can be read."""
        return len(self.labels)


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that tells classes of photos apart.

    Raises:
        DataError: there are no photos, no classes, or one class alone.
    """
    guesses, paths = source_of(data, target)
    values = values_of(guesses)
    source: Any = settings_of(values["kind"], "gristmill.sources.images").model_validate(values)
    seen = _look(source, paths)
    if not seen.count:
        raise DataError(f"{data.place}: none of {len(seen.broken)} photos can be read: {seen.broken[0]}. Mend them.")
    classes = Counter(seen.labels).most_common()
    _refuse_unlearnable(seen, [name for name, _ in classes])
    size = _size(seen)
    tables = {
        "source": guesses,
        "ingest": _ingest(seen),
        "preprocess": _preprocess(seen, size),
        "augment": _changes(seen, size),
        "model": _model(size),
        "train": _training(seen),
    }
    told = ", ".join(f"{count:,} {name!r}" for name, count in classes[:_NAMED]) + ", …" * (len(classes) > _NAMED)
    return Proposal("vision", f"{data.called}: {seen.count:,} photos: {told}", tables)


def _look(source: ImageSource, paths: tuple[Path, ...]) -> _Seen:
    """Look at every photo, as ingest does."""
    seen = _Seen([], [], [], [], set(), [])
    most = Ingest().max_pixels
    for photo in source.photos(paths):
        try:
            header = decode.check_photo(photo.encoded, most)
        except DataError as error:
            seen.broken.append(f"{photo.id}: {error}")
            continue
        seen.heights.append(header.height)
        seen.widths.append(header.width)
        seen.labels.append(photo.label)
        seen.parts.append(photo.part)
        seen.modes.add(_mode(photo.encoded))
    return seen


def _refuse_unlearnable(seen: _Seen, classes: list[str]) -> None:
    """Refuse one class alone, and classes of too few photos, as ingest does."""
    labels = [classes.index(label) for label in seen.labels]
    index = pd.DataFrame({"label": labels, "part": pd.Series(seen.parts, dtype="str")})
    check_classes(index, classes, "photo", " that can be read")


def _mode(encoded: bytes) -> str:
    with Image.open(io.BytesIO(encoded)) as image:
        return image.mode


def _size(seen: _Seen) -> tuple[int, int]:
    """Return height and width of what the network sees: those of the photos where they are small and of one size."""
    height, width = (int(np.median(sides)) for sides in (seen.heights, seen.widths))
    most = next((side for count, side in _SIDES if seen.count <= count), _SMALLEST)
    if max(height, width) <= most and {*seen.heights} == {height} and {*seen.widths} == {width}:
        return height, width
    side = max(_STEP, min(most, height, width) // _STEP * _STEP)
    return side, side


def _ingest(seen: _Seen) -> list[Guess]:
    """Return the table `ingest`: more unreadable photos are allowed than usual only where there are."""
    share = len(seen.broken) / (len(seen.broken) + seen.count)
    if share <= Ingest().corrupt:
        return []
    why = f"photos that cannot be read: {len(seen.broken):,}, such as {seen.broken[0]}"
    return [Guess("corrupt", math.ceil(share * 100) / 100, why)]


def _preprocess(seen: _Seen, size: tuple[int, int]) -> list[Guess]:
    if {*seen.heights} == {size[0]} and {*seen.widths} == {size[1]}:
        told = "that of all photos"
    else:
        told = f"the photos are {_range(seen.heights)} high and {_range(seen.widths)} wide"
    height, width = size
    guesses = [Guess("size", height if height == width else [height, width], f"pixels; {told}")]
    if seen.modes <= _GREY:
        guesses.append(Guess("channels", 1, "all photos are grey"))
    shares = {"validation": (0.1, "choices are made on it"), "test": (0.2, "scored, never learnt from")}
    drawn = {part: share for part, share in shares.items() if part not in seen.parts}
    return guesses + [Guess(part, share, f"of each class: {why}") for part, (share, why) in drawn.items()]


def _range(sides: list[int]) -> str:
    return f"{min(sides)} to {max(sides)}, half of them up to {int(np.median(sides))},"


def _changes(seen: _Seen, size: tuple[int, int]) -> list[Guess]:
    """Return the table `augment`."""
    if seen.count > _FEW or min(size) < _DRAWN:
        return []
    return [
        Guess("horizontal_flip", True, "not where left and right differ, as of letters and signs"),
        Guess("rotation", 15, f"degrees: {seen.count:,} photos are few, so each is changed anew in every epoch"),
        Guess("zoom", 0.15, "nearer or farther by as much of the photo"),
        Guess("shift", 0.1, "to any side, of the photo"),
    ]


def _model(size: tuple[int, int]) -> list[Guess]:
    kind = Guess("kind", "cnn", "or transfer, where you have weights: far better on few photos")
    padding = Guess("padding", "same", "edges count as the middle does")
    filters, units = "of each convolution, whose output has half the side", "of the layer before the classes"
    if min(size) < _DRAWN:
        depth = max(1, min(2, int(np.log2(min(size))) - 2))
        return [kind, Guess("filters", [32, 64][:depth], filters), padding, Guess("units", [128], units)]
    return [
        kind,
        Guess("filters", [16, 32, 64, 64], filters),
        padding,
        Guess("pooling", "average", "few weights, for few photos"),
        Guess("dropout", 0.2, "left out by chance in training, against learning by heart"),
        Guess("units", [64], units),
    ]


def _training(seen: _Seen) -> list[Guess]:
    epochs = 30 if seen.count <= _SIDES[0][0] else 10
    return [
        Guess("epochs", epochs, "at most"),
        Guess("patience", max(3, epochs // 3), "epochs that validation may not get better"),
        *pace(16 if seen.count <= 500 else 64, 2e-3),
    ]

"""Photos made up by tests of ingest and preprocess, and a source that yields them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gristmill.domains.vision import ingest
from gristmill.domains.vision.settings import Ingest
from gristmill.sources.photo import Photo


@dataclass(frozen=True)
class Given:
    """A source of the photos that are given."""

    given: Sequence[Photo]
    classes: list[str] | None = None

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        yield from self.given

    def class_names(self, paths: Sequence[Path]) -> list[str] | None:
        return self.classes


def noise(height: int = 8, width: int = 10, seed: int = 0, channels: int = 3) -> Image.Image:
    """Return an image of random pixels, in colour or grey."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels if channels > 1 else pixels[:, :, 0])


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def photos(counts: dict[str, int], part: str | None = None, **metadata: str) -> list[Photo]:
    """Return so many photos of each class, class by class, each of other pixels and about 8 x 10."""
    made = []
    for kind, (name, count) in enumerate(counts.items()):
        for number in range(count):
            image = noise(8 + number % 3, 10 + number % 2, seed=1000 * kind + number + 7 * len(part or ""))
            made.append(Photo(f"{part or 'all'}/{name}/{number}", encoded(image), name, part, metadata))
    return made


def ingested(folder: Path, given: Sequence[Photo], classes: list[str] | None = None, **settings: Any) -> dict[str, int]:
    """Ingest photos into a new folder and return the counts."""
    folder.mkdir()
    return ingest.ingest(source=Given(given, classes), ingest=Ingest(**settings), out=folder)

"""Labelled photos and the protocol of their sources, with one module per kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Photo:
    """One labelled photo with its original bytes."""

    id: str  # unique in its source: path below the common folder, or position
    encoded: bytes  # JPEG, PNG, WebP, TIFF, BMP or GIF; not checked yet
    label: str  # name of the class
    part: str | None = None  # train, validation or test, where the source says
    metadata: Mapping[str, str] = field(default_factory=dict)  # further columns of the source, to slice scores by
    sha256: str = ""  # of the content, if `encoded` was made of it here and depends on the version of Pillow


class ImageSource(Protocol):
    """Source of photos."""

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield every photo, in an order that depends on the files alone.

        Raises:
            DataError: naming the file that cannot be read.
        """

    def class_names(self, paths: Sequence[Path]) -> list[str] | None:
        """Return the classes in the source's own order, or None to sort them by name."""

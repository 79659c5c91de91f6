"""Photos, from the bytes of a file to pixels of one form. Preprocess and predict make them in the same way.

A photo is turned as its EXIF orientation says, put on white where it is transparent, and resized by a triangle filter
as wide as the reduction (Pillow's BILINEAR), so that nothing aliases.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from gristmill.errors import DataError, short_repr

Pixels = npt.NDArray[np.uint8]  # (height, width, channels)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # of GIF, WebP and PNG that move, the first image
_FILTER = Image.Resampling.BILINEAR
_DRAFT = 3  # a JPEG is decoded at 3 times the size at least: closer, and its own reduction shows
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # beyond Image.MAX_IMAGE_PIXELS
_SIDEWAYS = 5  # the EXIF orientations from here on swap height and width
_BROKEN = (  # what Pillow raises where a file is not what it says
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class Form(Protocol):
    """What photos are made into; `prepared.Layout` is one."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def fit(self) -> str: ...


@dataclass(frozen=True)
class Header:
    """What a photo says of itself, turned upright."""

    width: int
    height: int
    format: str


def check_photo(encoded: bytes, max_pixels: int) -> Header:
    """Return the header of a photo that is sound to its end.

    The header comes first, so that a small file cannot fill the memory with pixels. Then everything is decoded, a JPEG
    at an eighth of its size, which takes half the time.

    Args:
        encoded: the bytes of the file.
        max_pixels: what is larger is refused.

    Raises:
        DataError: saying what is wrong, but not with which photo.
    """
    with _opened(encoded) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise DataError(f"{width} x {height} pixels, more than ingest.max_pixels = {max_pixels:,}")
        if min(width, height) < 2:
            raise DataError(f"{width} x {height} pixels, which show nothing")
        sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= _SIDEWAYS
        image.draft(None, (1, 1))
        _upright(image)
        return Header(*((height, width) if sideways else (width, height)), str(image.format))


def decode_photo(encoded: bytes, form: Form) -> Pixels:
    """Return the pixels of a photo in a form: (height, width, channels).

    Args:
        encoded: the bytes of a file that `check_photo` found sound.
        form: size, channels and fit: "stretch" distorts to the size, "crop" takes the middle, "pad" adds black borders.

    Raises:
        DataError: saying what is wrong, but not with which photo.
    """
    with _opened(encoded) as image:
        side = _DRAFT * max(form.height, form.width)
        image.draft("L" if form.channels == 1 else None, (side, side))
        _upright(image)
        fitted = _fitted(_coloured(image, form.channels), (form.width, form.height), form.fit)
        return np.array(fitted, np.uint8).reshape(form.height, form.width, form.channels)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """Open a photo; what Pillow raises of it within the block is told as what is wrong with the photo."""
    if not encoded:
        raise DataError("the file is empty")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            yield image
    except UnidentifiedImageError:
        raise DataError(
            f"not a JPEG, PNG, WebP, BMP or GIF that can be read: it begins with {short_repr(encoded[:12])}"
        ) from None
    except _BOMBS as error:
        raise DataError(f"too many pixels ({error})") from None
    except _BROKEN as error:
        raise DataError(f"truncated or corrupt ({str(error) or type(error).__name__})") from None


def _upright(image: Image.Image) -> None:
    """Decode an image and turn it as its EXIF orientation says."""
    ImageOps.exif_transpose(image, in_place=True)


def _coloured(image: Image.Image, channels: int) -> Image.Image:
    """Return an image in grey or in colour, on white where it is transparent."""
    if image.mode == "I;16":  # which Pillow would clip to 8 bits
        image = image.point(lambda value: value / 256)
    if image.has_transparency_data:
        shown_through = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), shown_through)
    return image.convert("L" if channels == 1 else "RGB")


def _fitted(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    """Return an image at a size of (width, height)."""
    if fit == "crop":
        return ImageOps.fit(image, size, _FILTER)
    if fit == "pad":
        return ImageOps.pad(image, size, _FILTER, color="black")
    return image.resize(size, _FILTER)

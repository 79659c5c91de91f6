"""Decoding of photos, from the bytes of a file to pixels of one size; the same for preprocess and predict.

A photo is turned by its EXIF orientation, put on white where it is transparent, and resized with an antialiasing
triangle filter (Pillow's BILINEAR). The colour that a file stores below transparent pixels is arbitrary, and most
cut-outs are made for white pages. Of 16 bits the upper 8 are taken.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from gristmill.domains.vision import near_copies
from gristmill.errors import DataError, short_repr

if TYPE_CHECKING:
    from gristmill.domains.vision.dataset import Layout, Pixels

POSITION = ["shard", "offset", "size"]  # columns of a photo's position in the shards of ingest

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")  # an animation counts as its first image
_HEIF = rb"....ftyp(hei|hev|mif1|msf1)"  # the beginning of photos of iPhones
_OTHER_FORMATS = {
    rb"....ftypavi": "AVIF",
    rb"....ftypcrx|FUJIFILMCCD-RAW|II(RO|RS|U\0)": "raw photos",
    rb"\xff\x0a|....JXL ": "JPEG XL",
    rb"....jP  |\xff\x4f\xff\x51": "JPEG 2000",
}
_FILTER = Image.Resampling.BILINEAR
FAINT = 1 << 12  # of 65,536 levels
# Errors of Pillow for broken files.
_ERRORS = (EOFError, LookupError, OSError, OverflowError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)


@dataclass(frozen=True)
class Header:
    """Size (turned upright), format and thumbnail of a photo, and whether it uses few of its 16 bits."""

    width: int
    height: int
    format: str
    thumbnail: bytes = field(default=bytes(3 * near_copies.SIDE**2), compare=False, repr=False)
    faint: bool = False  # of 16 bits with values of 12 bits or less, so that it is nearly black


def check_photo(encoded: bytes, max_pixels: int) -> Header:
    """Return the header of a photo; raise a `DataError` that does not name the photo if it is broken or too large.

    The header is checked first, so that a small file cannot fill the memory with pixels. Then everything is decoded, a
    large JPEG at an eighth of its size, which takes half the time.
    """
    with _opened(encoded) as image:
        # 1. Check the header.
        width, height = image.size
        if width * height > max_pixels:
            raise DataError(f"{width} x {height} pixels, more than ingest.max_pixels = {max_pixels:,}")
        if min(width, height) < 2:
            raise DataError(f"{width} x {height} pixels, which show nothing")
        reduced = image.draft(None, (near_copies.DRAFT_SIDE,) * 2)
        form, box = str(image.format), reduced and reduced[1]
        # The first image of a raw photo, such as a DNG or NEF, which are TIFF files, is a reduced copy.
        if form == "TIFF" and image.getexif().get(ExifTags.Base.NewSubfileType) == 1:
            raise DataError("a raw photo, from which only a preview can be read. Convert it to JPEG or PNG")
        orientation = 1 if form == "TIFF" else image.getexif().get(ExifTags.Base.Orientation, 1)  # Pillow turns a TIFF
        size = (height, width) if orientation >= 5 else (width, height)  # from 5 on, the sides are swapped

        # 2. Decode the pixels.
        faint = image.mode.startswith("I;16") and int(np.asarray(image).max()) < FAINT
        thumbnail = near_copies.thumbnail(_convert_channels(image, channels=3), box, orientation)
        return Header(*size, form, thumbnail, faint)


def decode_photo(encoded: bytes, layout: "Layout") -> "Pixels":
    """Return the pixels, (height, width, channels), of a photo that passed `check_photo`.

    The fit is "stretch" to distort it to the size, "crop" to take its middle, or "pad" to add borders.
    """
    size = layout.width, layout.height
    side = 3 * max(size)  # of a JPEG; smaller, its reduction would be visible
    with _opened(encoded) as image:
        image.draft("L" if layout.channels == 1 else None, (side, side))
        ImageOps.exif_transpose(image, in_place=True)
        converted = _convert_channels(image, layout.channels)
        if layout.fit == "crop":
            fitted = ImageOps.fit(converted, size, _FILTER)
        elif layout.fit == "pad":
            fitted = ImageOps.pad(converted, size, _FILTER, color="black")
        else:
            fitted = converted.resize(size, _FILTER)
        return np.array(fitted, np.uint8).reshape(layout.height, layout.width, layout.channels)


def decode_ingested(ingest: Path, rows: pd.DataFrame, layout: "Layout") -> "Iterator[Pixels]":
    """Yield the pixels of ingested photos, one by one, given rows of the index of ingest."""
    from gristmill.domains.vision import shards  # imports TensorFlow, which other functions do not need

    for name, *position in rows[["id", *POSITION]].itertuples(index=False):
        try:
            yield decode_photo(shards.image_of(shards.read_record(ingest, shards.ShardPosition(*position))), layout)
        except DataError as error:
            raise DataError(f"photo {name!r}: {error}. Fix it or leave it out.") from None


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """Open a photo; within the block, errors of Pillow become a `DataError`."""
    if not encoded:
        raise DataError("the file is empty")
    try:
        with Image.open(io.BytesIO(encoded), formats=_formats_of(encoded)) as image:
            yield image
    except UnidentifiedImageError:
        if re.match(_HEIF, encoded, re.DOTALL):
            raise DataError("a HEIC that is truncated or corrupt") from None
        for start, name in _OTHER_FORMATS.items():
            if re.match(start, encoded, re.DOTALL):
                raise DataError(f"gristmill does not read {name}. Convert it to JPEG or PNG") from None
        begin = short_repr(encoded[:12].decode("latin-1"))
        raise DataError(f"not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with {begin}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # above Image.MAX_IMAGE_PIXELS
        raise DataError(f"too many pixels ({error})") from None
    except _ERRORS as error:
        raise DataError(f"truncated or corrupt ({str(error) or type(error).__name__})") from None


def _formats_of(encoded: bytes) -> tuple[str, ...]:
    """Return the formats that a photo may have."""
    if not re.match(_HEIF, encoded, re.DOTALL):
        return FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise DataError(
            "HEIC needs pillow-heif, which is not installed. Run: pip install 'gristmill[heic]', or convert it to JPEG"
        ) from None
    register_heif_opener()
    return ("HEIF",)


def _convert_channels(image: Image.Image, channels: int) -> Image.Image:
    """Return an image in grey or colour, on white where it is transparent."""
    if image.mode in ("I", "F"):
        raise DataError("32 bits or signed numbers a pixel, of unknown range. Save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):  # Pillow would clip it to 8 bits
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L" if channels == 1 else "RGB")

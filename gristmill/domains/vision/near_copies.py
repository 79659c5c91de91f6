"""Find exact and near copies of photos: files saved again, resized, or slightly brighter or darker.

Photos are compared by thumbnails at equal mean and contrast, first in grey, then in colour if both have colours. Copies
that are cropped, turned or mirrored are not found. Successive frames of a film count as copies.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import ExifTags, Image, ImageOps

from gristmill.domains.common.classification.duplicates import Groups, groups_of_pairs, merge_groups

SIDE = 16  # pixels of a thumbnail
DRAFT_SIDE = 8 * SIDE  # pixels that a JPEG is reduced to at most; with fewer, its thumbnail differs from that of a PNG

# Root mean square of the differences of two thumbnails in units of their contrast. JPEGs of quality 75, photos of half
# the size and those 5 % brighter stay below it. Of 70,000 digits no two do, of 70,000 pieces of clothing 212.
_MAX_DISTANCE = 0.05
_MAX_COLOUR_DISTANCE = 2  # times that of grey; JPEG stores colours less exactly
_MIN_CONTRAST = 4.0  # standard deviation in grey levels of 255; a flatter thumbnail shows too little to compare
_COMPONENTS = 12  # principal components by which candidates are searched; fewer find more of them, more search longer
_MAX_CANDIDATES = 20_000_000  # pairs, of 16 bytes
_MAX_SHARE = 0.25  # of all photos: if more are like each other, the camera did not move, and copies differ by less
_MAX_ALIKE = 10  # photos that may be alike whatever their share
_GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)

Thumbnails = npt.NDArray[np.uint8]  # (photos, SIDE * SIDE, 3)


def thumbnail(image: Image.Image, box: tuple[float, float, float, float] | None, orientation: int) -> bytes:
    """Return the upright thumbnail of a box of an RGB image, row by row; the orientation is that of EXIF."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
    small.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(small).tobytes()


def number_pictures(hashes: Sequence[str], thumbnails: Sequence[bytes]) -> Groups:
    """Return the number of the picture that each photo shows; all copies of a picture have its number.

    `hashes` are those of the photos' bytes.
    """
    # 1. Count the different files of each thumbnail.
    files = pd.factorize(np.array(hashes, object))[0]
    owners, distinct = pd.factorize(np.array(thumbnails, object))
    pixels = np.frombuffer(b"".join(distinct), np.uint8).reshape(-1, SIDE * SIDE, 3)
    counts = np.bincount(owners[~pd.Series(files).duplicated()])

    # 2. Group those that show enough to be compared, and that not too many files have.
    max_alike = max(_MAX_ALIKE, int(_MAX_SHARE * counts.sum()))
    comparable = np.flatnonzero((_grey(pixels).std(axis=1) >= _MIN_CONTRAST) & (counts <= max_alike))
    groups: Groups = np.full(len(pixels), -1)
    groups[comparable] = _group_similar(pixels[comparable], counts[comparable], max_alike)

    # 3. Merge these groups with those of equal files; a photo of neither is a group of its own.
    own = len(pixels) + np.arange(len(owners))
    return merge_groups(files, np.where(groups[owners] < 0, own, groups[owners]))


def _group_similar(thumbnails: Thumbnails, counts: npt.NDArray[np.int64], max_alike: int) -> Groups:
    """Return the group of each of some different thumbnails, which so many files have.

    The distance is halved, up to four times, until no more than `max_alike` files are in one group.
    """
    from scipy.spatial import KDTree

    groups: Groups = np.arange(len(thumbnails))
    if len(thumbnails) < 2:
        return groups

    # The distance of two vectors is the root mean square difference of grey thumbnails at equal mean and contrast. The
    # mean counts a little, as black and white are no copies of one another.
    grey = _grey(thumbnails)
    mean, contrast = grey.mean(axis=1, keepdims=True), grey.std(axis=1, keepdims=True)
    vectors = np.hstack([(grey - mean) / (contrast * SIDE), mean / 255])
    step = -(-len(vectors) // 2_000)  # of a sample
    components = np.linalg.eigh(np.cov(vectors[::step].T))[1][:, -_COMPONENTS:]
    tree = KDTree(vectors @ components)  # no distance becomes longer
    for distance in _MAX_DISTANCE / 2.0 ** np.arange(5):
        # 1. Find pairs that are near each other in a few components, unless there are too many.
        candidates = tree.query_ball_point(tree.data[::step], distance, return_length=True)
        if (candidates.mean() - 1) * len(vectors) / 2 > _MAX_CANDIDATES:
            continue
        pairs = tree.query_pairs(distance, output_type="ndarray")

        # 2. Keep those that are alike in grey, then in colour.
        blocks = np.array_split(pairs, 1 + len(pairs) // 10_000)  # need less memory
        alike = [block[np.linalg.norm(np.subtract(*vectors[block.T]), axis=1) <= distance] for block in blocks]
        copies = [block[_colour_distances(thumbnails[block.T]) <= _MAX_COLOUR_DISTANCE * distance] for block in alike]
        connected = groups_of_pairs(len(vectors), np.concatenate(copies))
        if np.bincount(connected, counts).max() <= max_alike:
            return connected
    return groups


def _colour_distances(pairs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the root mean square differences of the colours of pairs of thumbnails, (2, pairs, SIDE * SIDE, 3).

    They are in units of the contrast in grey, and 0 if one of the two is grey.
    """
    grey = _grey(pairs)
    colours = (pairs - grey[..., np.newaxis]) / grey.std(axis=-1)[..., np.newaxis, np.newaxis]
    distances = np.sqrt((np.square(colours[0] - colours[1]) @ np.array(_GREY, np.float32)).mean(axis=-1))
    return np.asarray(distances * (np.ptp(pairs, axis=-1).any(axis=-1)).all(axis=0))


def _grey(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the grey levels of thumbnails, (..., SIDE * SIDE)."""
    return np.asarray(sum(np.float32(weight) * thumbnails[..., at] for at, weight in enumerate(_GREY)))

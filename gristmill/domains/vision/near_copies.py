"""Find exact and near copies of photos: files saved again, resized, or slightly brighter or darker.

Photos are compared by grey thumbnails at equal mean and contrast. Copies that are cropped, turned or mirrored are not
found. Successive frames of a film count as copies.
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
_MIN_CONTRAST = 4.0  # standard deviation in grey levels of 255; a flatter thumbnail shows too little to compare
_COMPONENTS = 12  # principal components by which candidates are searched; fewer find more of them, more search longer
_MAX_CANDIDATES = 20_000_000  # pairs, of 16 bytes
_MAX_SHARE = 0.25  # of all photos: if more are like each other, the camera did not move, and copies differ by less
_ATTEMPTS = 5  # each at half the distance
_MAX_ALIKE = 10  # photos that may be alike whatever their share
_SAMPLE = 2_000  # thumbnails
_BLOCK = 100_000  # pairs

Thumbnails = npt.NDArray[np.uint8]  # (photos, SIDE * SIDE)
Vectors = npt.NDArray[np.float32]  # (photos, SIDE * SIDE + 1)


def thumbnail(grey: Image.Image, box: tuple[float, float, float, float] | None, orientation: int) -> bytes:
    """Return the upright thumbnail of a box of a grey image, row by row; the orientation is that of EXIF."""
    small = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
    small.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(small).tobytes()


def number_pictures(hashes: Sequence[str], thumbnails: Sequence[bytes]) -> Groups:
    """Return the number of the picture that each photo shows; all copies of a picture have its number.

    `hashes` are those of the photos' bytes.
    """
    pixels = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, SIDE * SIDE)
    telling = ~pd.Series(list(thumbnails)).duplicated() & (pixels.std(axis=1) >= _MIN_CONTRAST)
    distinct = np.flatnonzero(telling)
    groups = distinct[_group_similar(pixels[distinct])].tolist()
    first = {thumbnails[at]: group for at, group in zip(distinct.tolist(), groups, strict=True)}
    alike = np.array([first.get(one, at) for at, one in enumerate(thumbnails)], np.int64)
    return merge_groups(pd.factorize(np.array(hashes, object))[0], alike)


def _group_similar(thumbnails: Thumbnails) -> Groups:
    """Return the group of each of some different thumbnails."""
    from scipy.spatial import KDTree

    groups: Groups = np.arange(len(thumbnails))
    if len(thumbnails) < 2:
        return groups
    vectors = _vectors(thumbnails)
    some = vectors[:: -(-len(vectors) // _SAMPLE)]
    tree = KDTree(vectors @ np.linalg.eigh(np.cov(some.T))[1][:, -_COMPONENTS:])  # no distance becomes longer
    for distance in _MAX_DISTANCE / 2.0 ** np.arange(_ATTEMPTS):
        candidates = tree.query_ball_point(tree.data[:: -(-len(vectors) // _SAMPLE)], distance, return_length=True)
        if (candidates.mean() - 1) * len(vectors) / 2 > _MAX_CANDIDATES:
            continue
        pairs = tree.query_pairs(distance, output_type="ndarray")
        blocks = [block.T for block in np.array_split(pairs, 1 + len(pairs) // _BLOCK)]
        distances = [np.linalg.norm(vectors[one] - vectors[other], axis=1) for one, other in blocks]
        found = groups_of_pairs(len(vectors), pairs[np.concatenate(distances) <= distance])
        if np.bincount(found).max() <= max(_MAX_ALIKE, _MAX_SHARE * len(vectors)):
            return found
    return groups


def _vectors(thumbnails: Thumbnails) -> Vectors:
    """Return vectors whose distance is the root mean square difference of thumbnails at equal mean and contrast.

    The mean counts a little, as black and white are no copies of one another.
    """
    pixels = thumbnails.astype(np.float32)
    mean, contrast = pixels.mean(axis=1, keepdims=True), pixels.std(axis=1, keepdims=True)
    vectors: Vectors = np.hstack([(pixels - mean) / (contrast * SIDE), mean / 255])
    return vectors

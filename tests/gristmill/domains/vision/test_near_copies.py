"""Files of one picture have one number; different pictures, even of one camera, have their own."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from gristmill.domains.vision import near_copies
from gristmill.domains.vision.decode import check_photo
from gristmill.domains.vision.near_copies import SIDE, number_pictures
from helpers.given_photos import encoded, noise

CAP = 1_000_000
SIDEWAYS = Image.Exif()
SIDEWAYS[ExifTags.Base.Orientation] = 6


def picture(seed: int, width: int = 150, height: int = 100) -> Image.Image:
    """Return large soft patches of colour."""
    return noise(6, 8, seed).resize((width, height), Image.Resampling.BICUBIC)


def numbers(*files: bytes) -> list[int]:
    """Return the numbers of the pictures in some files."""
    thumbnails = [check_photo(file, CAP).thumbnail for file in files]
    return number_pictures([str(hash(file)) for file in files], thumbnails).tolist()


@pytest.mark.parametrize(
    "copy",
    [
        encoded(picture(1), "JPEG", quality=75),
        encoded(picture(1).resize((75, 50), Image.Resampling.LANCZOS)),
        encoded(picture(1).convert("L")),
        encoded(picture(1).convert("RGBA"), "WEBP", lossless=True),
        encoded(picture(1).point(lambda value: min(255, value * 1.02))),
        encoded(picture(1).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=SIDEWAYS),
        encoded(picture(1).resize((1003, 757)), "JPEG"),
        encoded(picture(1)),
    ],
)
def test_a_picture_saved_again_is_the_same_picture(copy: bytes) -> None:
    others = [encoded(picture(seed)) for seed in (0, 1, 2)]

    assert numbers(*others, copy) == [0, 1, 2, 1]


def test_a_copy_of_a_copy_is_the_same_picture() -> None:
    pixels = np.array(noise(SIDE, SIDE))
    steps = [np.clip(pixels + 2.0 * step, 0, 255).astype(np.uint8).tobytes() for step in range(6)]

    assert number_pictures(list("abcdef"), steps) == pytest.approx([0] * 6)


def test_pictures_of_one_shade_are_equal_only_if_their_files_are() -> None:
    white, shaded = (Image.new("L", (40, 40), shade) for shade in (255, 254))

    assert numbers(encoded(white), encoded(shaded), encoded(white, "BMP"), encoded(white)) == [0, 1, 2, 0]


def disc(colour: tuple[int, int, int], side: int = 64) -> Image.Image:
    """Return a disc; red and green ones of these colours look alike in grey."""
    image = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(image).ellipse([side // 8, side // 4, side // 2, side * 5 // 8], fill=colour)
    return image


def test_things_of_different_colours_are_different_pictures() -> None:
    red, green = disc((200, 0, 0)), disc((0, 102, 0))
    again = [encoded(one, "JPEG", quality=75) for one in (red, green)]

    assert numbers(encoded(red), encoded(green), *again) == [0, 1, 0, 1]


def test_files_whose_thumbnails_are_equal_are_not_all_one_picture() -> None:
    """A camera that does not move, and a thing that is too small for a thumbnail."""
    look = noise(SIDE, SIDE).tobytes()

    assert number_pictures([*map(str, range(30)), "7"], [look] * 31).tolist() == [*range(30), 7]


def test_frames_of_a_fixed_camera_are_not_all_one_picture() -> None:
    scene, random = np.array(noise(SIDE, SIDE), float), np.random.default_rng(0)
    frames = [np.clip(scene + random.normal(0, 1, scene.shape), 0, 255).astype(np.uint8).tobytes() for _ in range(60)]

    found = number_pictures([str(at) for at in range(61)], [*frames, frames[7]])

    assert found[60] == 7
    assert len(set(found)) > 45


def test_too_many_candidates_are_searched_at_a_smaller_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "_MAX_CANDIDATES", 3)
    files = [encoded(picture(seed)) for seed in (0, 1, 2)]

    assert numbers(*files, *files) == [0, 1, 2, 0, 1, 2]

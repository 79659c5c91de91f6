"""Photos of every form become the same kind of pixels, and those that are not sound are told apart before they harm."""

import io
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from conftest import ROOT, SHARED
from gristmill.domains.vision.decode import FORMATS, Header, check_photo, decode_photo
from gristmill.errors import DataError
from helpers.given_photos import encoded, noise


@dataclass(frozen=True)
class Form:
    height: int
    width: int
    channels: int = 3
    fit: str = "stretch"


CAP = 50_000_000
UPRIGHT = {  # EXIF orientation: what turns the stored pixels upright
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.swapaxes(0, 1), 2),
    8: lambda stored: np.rot90(stored, 1),
}
PICTURES = {
    "JPEG": encoded(noise(40, 56), "JPEG"),
    "progressive JPEG": encoded(noise(40, 56), "JPEG", progressive=True),
    "CMYK": encoded(noise(40, 56).convert("CMYK"), "JPEG"),
    "PNG": encoded(noise(40, 56)),
    "PNG palette": encoded(noise(40, 56).convert("P"), transparency=b"\x01\x80"),
    "WEBP": encoded(noise(40, 56), "WEBP"),
    "BMP": encoded(noise(40, 56), "BMP"),
    "GIF": encoded(noise(40, 56), "GIF", save_all=True, append_images=[noise(40, 56, seed=1)]),
}


def pixels_of(image: Image.Image, **form: object) -> npt.NDArray[np.int64]:
    """Return an image's pixels in its own size."""
    return decode_photo(encoded(image), replace(Form(image.height, image.width), **form)).astype(int)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_a_photo_is_turned_as_its_exif_orientation_says(orientation: int, form: str) -> None:
    exif, stored = Image.Exif(), noise(4, 6)
    exif[ExifTags.Base.Orientation] = orientation
    photo = encoded(stored, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))

    upright = UPRIGHT[orientation](np.array(stored))

    height, width, _ = upright.shape
    assert check_photo(photo, CAP) == Header(width, height, form)
    assert np.array_equal(decode_photo(photo, Form(height, width)), upright)


def test_a_jpeg_is_turned_though_it_is_decoded_small() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.fromarray(np.repeat(np.linspace(0, 255, 401).astype(np.uint8)[None], 203, axis=0))
    photo = encoded(stored, "JPEG", exif=exif)

    made = decode_photo(photo, Form(20, 10, channels=1))[:, :, 0].astype(int)

    assert check_photo(photo, CAP) == Header(203, 401, "JPEG")
    assert np.abs(made - np.linspace(6, 249, 20)[:, None]).max() < 3


def test_transparent_parts_are_white() -> None:
    image = Image.fromarray(np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8).repeat(2, axis=0))

    assert pixels_of(image)[0].tolist() == [[255, 0, 0], [255, 255, 255], [204, 204, 204]]
    assert pixels_of(image, channels=1)[0].tolist() == [[76], [255], [204]]
    assert pixels_of(image.convert("LA"), channels=1)[0].tolist() == [[76], [255], [204]]


def test_a_palette_with_a_transparent_entry_is_put_on_white() -> None:
    image = Image.new("P", (3, 2))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)

    made = decode_photo(encoded(image, transparency=1), Form(2, 3))

    assert made[0].tolist() == [[10, 20, 30], [255, 255, 255], [10, 20, 30]]


def test_grey_is_the_luma_of_colours_and_colour_is_grey_thrice() -> None:
    image = Image.fromarray(np.array([[[200, 0, 0], [0, 200, 0], [0, 0, 200], [100, 50, 25]]], np.uint8))

    grey = pixels_of(image, channels=1)[0, :, 0]

    assert grey.tolist() == [
        round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in np.array(image)[0]
    ]
    assert pixels_of(image.convert("L"))[0].tolist() == [[value] * 3 for value in grey]


@pytest.mark.parametrize(("form", "order"), [("PNG", "="), ("TIFF", "<"), ("TIFF", ">")])
def test_sixteen_bits_a_pixel_become_eight_and_are_not_clipped(form: str, order: str) -> None:
    values = np.array([[0, 255, 256, 32_768, 65_535]] * 2, f"{order}u2")
    photo = encoded(Image.fromarray(values), form)

    for channels in (1, 3):
        made = decode_photo(photo, Form(2, 5, channels))
        assert made[0].tolist() == [[value] * channels for value in (0, 0, 1, 128, 255)]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_any_mode_becomes_colour(mode: str) -> None:
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    photo = encoded(image, "JPEG" if mode == "CMYK" else "PNG")

    assert decode_photo(photo, Form(4, 4)).min() >= 254


def flag() -> Image.Image:
    """Return an upright band each of red, green and blue: 20 high, 60 wide."""
    return Image.fromarray(np.eye(3, dtype=np.uint8)[None].repeat(20, axis=0).repeat(20, axis=1) * 255)


def test_stretch_shows_all_of_a_photo() -> None:
    made = pixels_of(flag(), height=9, width=9)

    assert made[:, [1, 4, 7]].tolist() == [(255 * np.eye(3, dtype=int)).tolist()] * 9


def test_crop_takes_the_middle() -> None:
    assert pixels_of(flag(), height=10, width=10, fit="crop")[:, 1:9].tolist() == [[[0, 255, 0]] * 8] * 10
    assert pixels_of(flag().transpose(Image.Transpose.ROTATE_90), height=5, width=5, fit="crop")[1:4].tolist() == [
        [[0, 255, 0]] * 5
    ] * 3  # fmt: skip


def test_pad_adds_black_borders() -> None:
    made = pixels_of(flag(), height=9, width=9, fit="pad")

    assert made[:3].max() == made[6:].max() == 0
    assert made[3:6, [1, 4, 7]].tolist() == [(255 * np.eye(3, dtype=int)).tolist()] * 3


def test_fine_patterns_become_grey_and_not_a_coarse_pattern() -> None:
    board = Image.fromarray((np.indices((90, 90)).sum(axis=0) % 2 * 255).astype(np.uint8))

    assert np.abs(pixels_of(board, height=20, width=20, channels=1) - 127.5).max() < 4


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(2, 90), st.integers(2, 90)),
    wanted=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3]),
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    form=st.sampled_from(FORMATS),
)
def test_a_photo_of_one_shade_stays_so_at_any_size(
    size: tuple[int, int], wanted: tuple[int, int], channels: int, fit: str, form: str
) -> None:
    photo = encoded(Image.new("L", size, 200).convert("RGB"), form)

    made = decode_photo(photo, Form(*wanted, channels, fit))

    assert made.shape == (*wanted, channels)
    assert made.dtype == np.uint8
    assert check_photo(photo, CAP) == Header(*size, form)
    if fit != "pad":
        assert np.abs(made.astype(int) - 200).max() <= 1


@pytest.mark.shared_data
def test_real_photos_look_as_if_they_were_decoded_in_full() -> None:
    for path in sorted((SHARED / "data/ants_bees/bees").iterdir())[:20]:
        photo = path.read_bytes()
        with Image.open(io.BytesIO(photo)) as image:
            full = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR), np.float64)

        assert np.sqrt(np.mean((decode_photo(photo, Form(64, 64)) - full) ** 2)) < 4, path


@pytest.fixture
def heic() -> bytes:
    """A photo in HEIC, 50 x 90 pixels, that is to be turned."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    Image.new("RGB", (90, 50), (200, 30, 40)).save(file, "HEIF", exif=exif.tobytes())
    return file.getvalue()


def test_heic_is_read_upright_with_its_extra(heic: bytes) -> None:
    header = check_photo(heic, max_pixels=4_500)

    assert (header.format, header.width, header.height) == ("HEIF", 50, 90)
    pixels = decode_photo(heic, Form(18, 10))
    assert pixels.shape == (18, 10, 3)
    assert pixels.mean(axis=(0, 1)) == pytest.approx([200, 30, 40], abs=6)
    with pytest.raises(DataError, match=r"more than ingest\.max_pixels"):
        check_photo(heic, max_pixels=4_499)


def test_heic_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    with pytest.raises(DataError, match=r"HEIC needs pillow-heif, .* pip install 'gristmill\[heic\]', or convert it"):
        check_photo(b"\0\0\0\x18ftypheic", max_pixels=100)


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (b"", "the file is empty"),
        (
            b"not a photo",
            "not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with 'not a photo'",
        ),
        (encoded(noise(), "PPM"), "not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with 'P6"),
        (b"\0\0\0\x18ftypheic", "a HEIC that is truncated or corrupt"),
        (b"\0\0\0\x1cftypavif", "gristmill does not read AVIF. Convert it to JPEG or PNG"),
        (encoded(noise(), "TIFF", tiffinfo={254: 1}), "a raw photo, from which only a preview can be read. Convert"),
        (encoded(noise(channels=1).convert("F"), "TIFF"), "32 bits or signed numbers a pixel, of unknown range"),
        (encoded(noise(1, 1)), "1 x 1 pixels, which show nothing"),
        (encoded(noise(1, 30)), "30 x 1 pixels, which show nothing"),
        (encoded(noise(60, 50)), "50 x 60 pixels, more than ingest.max_pixels = 2,500"),
        (PICTURES["JPEG"][:700], "truncated or corrupt (image file is truncated"),
        (PICTURES["progressive JPEG"][:-300], "truncated or corrupt (image file is truncated"),
        (PICTURES["PNG"][:-300], "truncated or corrupt"),
        (PICTURES["WEBP"][:-100], "truncated or corrupt"),
        (PICTURES["BMP"][:-100], "truncated or corrupt (image file is truncated"),
        (PICTURES["GIF"][:1500], "truncated or corrupt"),
        (PICTURES["GIF"][:500], "not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with 'GIF8"),
    ],
)
def test_what_is_no_sound_photo_is_told_with_its_own_reason(photo: bytes, reason: str) -> None:
    with pytest.raises(DataError) as refused:
        check_photo(photo, max_pixels=2_500)

    assert str(refused.value).startswith(reason)
    assert "\n" not in str(refused.value)


def test_a_photo_of_as_many_pixels_as_are_allowed_is_taken() -> None:
    assert check_photo(encoded(noise(50, 50)), 2_500) == Header(50, 50, "PNG")


@pytest.mark.fault(27)
def test_pillows_own_limit_holds_where_settings_allow_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)

    with pytest.raises(DataError, match=r"too many pixels \(Image size \(2500 pixels\) exceeds limit"):
        check_photo(encoded(noise(50, 50)), CAP)


@pytest.mark.slow
@pytest.mark.fault(27)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not cap the memory of a process")
def test_a_png_bomb_is_refused_within_a_memory_cap() -> None:
    """49 kB that unpack to 50 million pixels: allowed they break the cap, refused they do not."""
    script = """
import io, resource, sys
from PIL import Image
from gristmill.errors import DataError
from gristmill.domains.vision.decode import check_photo
target = io.BytesIO()
Image.new("1", (10_000, 5_000)).save(target, "PNG")
bomb = target.getvalue()
with open("/proc/self/statm") as statm:
    taken = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (30 << 20), resource.RLIM_INFINITY))
try:
    check_photo(bomb, int(sys.argv[1]))
except DataError as error:
    print(len(bomb), error)
except MemoryError:
    print(len(bomb), "out of memory")
"""

    def said(max_pixels: int) -> str:
        command = [sys.executable, "-c", script, str(max_pixels)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    bomb, refusal = said(CAP - 1).split(" ", 1)
    assert int(bomb) < 50_000
    assert refusal == "10000 x 5000 pixels, more than ingest.max_pixels = 49,999,999"
    assert said(CAP).endswith("out of memory")


@pytest.mark.fault(26)
@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(PICTURES)),
    end=st.floats(0.05, 2),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_photo_is_refused_by_check_or_decoded(
    name: str, end: float, changes: list[tuple[float, int]]
) -> None:
    damaged = bytearray(PICTURES[name][: int(end * len(PICTURES[name]))])
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    try:
        check_photo(bytes(damaged), CAP)
    except DataError:
        return

    assert decode_photo(bytes(damaged), Form(12, 9)).shape == (12, 9, 3)

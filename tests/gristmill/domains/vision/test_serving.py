"""A SavedModel that takes pixels or encoded images, and reads the latter as preprocess does."""

import io
from typing import Any, Literal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gristmill.domains.common.classification.decision import MOST_PROBABLE
from gristmill.domains.vision import decode, serving
from gristmill.domains.vision.dataset import Layout
from gristmill.domains.vision.image_classifier import ImageClassifier
from helpers.small_classifier import CLASSES, LAYOUT, small_network

pytest_plugins = ["helpers.small_classifier"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The small network as a SavedModel, loaded again."""
    place = tmp_path_factory.mktemp("served") / "saved_model"
    serving.write(ImageClassifier(small_network()), LAYOUT, MOST_PROBABLE, place)
    return tf.saved_model.load(place)


def picture(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """Return a smooth picture in a mode of Pillow's; its transparency, where the mode has any, is a ramp."""
    noise = np.random.default_rng(height).integers(0, 256, (max(height // 8, 2), max(width // 8, 2), 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    if "A" in mode:
        image.putalpha(Image.fromarray(np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)))
    return image.convert(mode)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def distance(photo: bytes, layout: Layout) -> int:
    """Return by how many levels TensorFlow's pixels of a photo differ from Pillow's at most."""
    ours = serving.read_image(tf.constant(photo), layout).numpy()
    theirs = decode.decode_photo(photo, layout)
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.slow
def test_pixels_get_a_probability_of_each_class_and_the_likeliest_name(served: Any) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 16, 20, 3), np.uint8)

    made = served.signatures["serving_default"](tf.constant(pixels))

    expected = small_network().predict(pixels, verbose=0)
    assert made["probabilities"].numpy() == pytest.approx(expected, abs=1e-6)
    assert made["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * 5
    assert [name.decode() for name in made["label"].numpy()] == [CLASSES[at] for at in expected.argmax(axis=1)]
    assert len(set(made["label"].numpy())) > 1  # else a constant would do


@pytest.mark.slow
def test_encoded_images_get_what_their_pixels_get(served: Any, photos: list[bytes]) -> None:
    pixels = np.stack([decode.decode_photo(photo, LAYOUT) for photo in photos])

    by_bytes = served.signatures["serving_bytes"](tf.constant(photos))
    by_pixels = served.signatures["serving_default"](tf.constant(pixels))

    assert by_bytes["probabilities"].numpy() == pytest.approx(by_pixels["probabilities"].numpy(), abs=0.01)
    assert by_bytes["label"].numpy().tolist() == by_pixels["label"].numpy().tolist()
    assert by_bytes["classes"].numpy().tolist() == by_pixels["classes"].numpy().tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_a_photo_of_the_very_size_comes_back_bit_by_bit(fit: str, channels: int) -> None:
    """So the bundle's parity can be checked by photos that were brought to the size before."""
    pixels = np.random.default_rng(2).integers(0, 256, (17, 23, channels), np.uint8)

    made = serving.read_image(tf.io.encode_png(pixels), Layout(17, 23, channels, "raw", fit, [], {}))

    assert np.array_equal(made, pixels)


def test_what_is_no_image_is_refused_by_the_graph(served: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        served.signatures["serving_bytes"](tf.constant([b"not an image"]))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(120, 160), (77, 161), (30, 200), (12, 20)], ids=str)
def test_each_fit_is_pillows_to_a_level(fit: str, channels: int, height: int, width: int) -> None:
    """Pillow rounds between the axes and TensorFlow does not: so far and no further they differ."""
    photo = encoded(picture(height, width), "PNG")

    assert distance(photo, Layout(28, 40, channels, "raw", fit, [], {})) <= 1


@pytest.mark.parametrize(("height", "width"), [(345, 500), (500, 345)])
def test_padding_rounds_a_half_as_pillow_does(height: int, width: int) -> None:
    """345 / 500 * 150 is 103.49999999999999, and 345 * (150 / 500) is 103.5: a row more."""
    assert distance(encoded(picture(height, width), "PNG"), Layout(150, 150, 3, "raw", "pad", [], {})) <= 1


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("GIF", "P", {}),
    ],
)
def test_each_encoding_is_pillows_to_a_level(form: str, mode: str, options: dict[str, Any]) -> None:
    assert distance(encoded(picture(60, 80, mode), form, **options), Layout(28, 28, 3, "raw", "stretch", [], {})) <= 1


def test_transparent_parts_are_white() -> None:
    clear = Image.new("RGBA", (8, 8), (200, 30, 30, 0))

    made = serving.read_image(tf.constant(encoded(clear, "PNG")), Layout(4, 4, 3, "raw", "stretch", [], {}))

    assert np.unique(made.numpy()).tolist() == [255]


def test_padding_is_black_and_keeps_the_proportions() -> None:
    wide = Image.new("RGB", (8, 4), (9, 90, 200))

    made = serving.read_image(tf.constant(encoded(wide, "PNG")), Layout(8, 8, 3, "raw", "pad", [], {})).numpy()

    assert not made[[0, 1, 6, 7]].any()
    assert (made[2:6] == [9, 90, 200]).all()


def test_the_middle_is_cropped() -> None:
    bars = np.zeros((4, 8, 3), np.uint8)
    bars[:, 2:6] = 255

    made = serving.read_image(
        tf.constant(encoded(Image.fromarray(bars), "PNG")), Layout(4, 4, 3, "raw", "crop", [], {})
    )

    assert np.unique(made.numpy()).tolist() == [255]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_jpeg_is_turned_as_its_exif_orientation_says(orientation: int, order: Literal["little", "big"]) -> None:
    numbers = [(42, 2), (8, 4), (2, 2)]  # TIFF; where its directory begins; how many entries that has
    numbers += [
        (0x010F, 2),
        (3, 2),
        (1, 4),
        (7, 4),
        (0x0112, 2),
        (3, 2),
        (1, 4),
    ]  # another tag; orientation, a number of
    said = b"".join(number.to_bytes(size, order) for number, size in [*numbers, (orientation, 2), (0, 6)])
    exif = b"Exif\0\0" + {"little": b"II", "big": b"MM"}[order] + said
    photo = encoded(picture(60, 80), "JPEG", exif=exif)

    with Image.open(io.BytesIO(photo)) as image:
        assert image.getexif()[0x0112] == orientation
    assert distance(photo, Layout(30, 40, 3, "raw", "stretch", [], {})) <= 1


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"]
)
def test_a_damaged_tag_leaves_a_photo_as_it_lies(exif: bytes) -> None:
    plain, damaged = encoded(picture(60, 80), "JPEG"), encoded(picture(60, 80), "JPEG", exif=exif)
    layout = Layout(30, 40, 3, "raw", "stretch", [], {})

    found = serving.read_image(tf.constant(damaged), layout)

    assert np.array_equal(found, serving.read_image(tf.constant(plain), layout))


def test_the_orientation_of_a_png_is_not_honoured() -> None:
    """As `signature.json` says: Pillow turns the photo, the graph does not."""
    lying = Image.new("RGB", (40, 20), "black")
    lying.paste("white", (0, 0, 40, 10))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    photo, layout = encoded(lying, "PNG", exif=exif), Layout(20, 40, 3, "raw", "stretch", [], {})

    assert decode.decode_photo(photo, layout)[0].max() < 10
    assert serving.read_image(tf.constant(photo), layout).numpy()[0].min() > 245


def test_a_large_jpeg_differs_by_what_its_decoding_at_a_smaller_size_costs() -> None:
    """Pillow decodes it at three times the wanted size at least, TensorFlow at its own."""
    photo = encoded(picture(1000, 1500), "JPEG")

    assert 1 < distance(photo, Layout(28, 28, 3, "raw", "stretch", [], {})) <= 8

"""SavedModel of a classifier, which takes pixels or the bytes of image files.

`serving_default` takes uint8 pixels (batch, height, width, channels), `serving_bytes` encoded images (batch,). Both
return `probabilities` (batch, classes), `classes`, the names in the same order (batch, classes), and `label`, the
predicted name (batch,).

TensorFlow decodes the images, while `decode.py` uses Pillow, with the same filter: pixels differ by at most one level
of 255. A JPEG of six times the network's size or more differs by up to 30 levels at an edge, and by one row where it is
padded, since Pillow decodes it at a smaller size. With nine small networks and 100 photos at 64 pixels, probabilities
differed by at most 0.07, and 1 of 900 labels differed. TensorFlow ignores the palette of a BMP, the
transparency of a GIF, a transparent colour of a PNG without alpha, and the EXIF orientation of all files but JPEG;
Pillow ignores the transparency of a BMP.

The EXIF orientation of a JPEG is read in the graph: the tag is in the first directory of the TIFF data in the segment
APP1, right after the beginning of the file (CIPA DC-008, Exif 2.32, sections 4.5.4, 4.6.2 and 4.6.5).
"""

from pathlib import Path

import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.export import answer_in_graph
from gristmill.domains.vision.dataset import Layout
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.export import saved_model

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow
_HEAD_BYTES = 1 << 16  # bytes to search for EXIF data; their segment is one of the first
_SEGMENT = (0xFF, 0xE1, None, None, *b"Exif\0\0")  # marker, length, and identifier
_ENTRY_BYTES = 12  # size of a directory entry: tag, type, count, value
_ORIENTATION = 0x0112


def write(model: ImageClassifier, layout: Layout, decision: Decision, folder: Path) -> None:
    """Write a SavedModel with both signatures."""
    image = tf.TensorSpec(layout.shape.image, tf.uint8)

    def of_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer_in_graph(model.in_graph(pixels), layout.classes, decision)

    def of_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        return of_pixels(tf.map_fn(lambda file: read_image(file, layout), encoded, fn_output_signature=image))

    endpoints: dict[str, saved_model.Endpoint] = {
        "serving_default": (of_pixels, [tf.TensorSpec((None, *image.shape), tf.uint8, name="image")]),
        "serving_bytes": (of_bytes, [tf.TensorSpec((None,), tf.string, name="encoded")]),
    }
    saved_model.write(folder, endpoints, model.resources)


def read_image(encoded: tf.Tensor, layout: Layout) -> tf.Tensor:
    """Return the uint8 pixels of one encoded image, (height, width, channels)."""
    # 1. Convert pixels (rows, columns, 1 to 4) to grey or colour, on white where they are transparent.
    pixels = decode_image(encoded)
    values = tf.cast(pixels, tf.float32)
    count = tf.shape(pixels)[-1]
    colour = tf.cond(count < 3, lambda: tf.repeat(values[..., :1], 3, axis=-1), lambda: values[..., :3])
    opacity = tf.cond(count % 2 == 0, lambda: values[..., -1:] / 255, lambda: tf.ones_like(values[..., :1]))
    colour = tf.ensure_shape(tf.round(255 + (colour - 255) * opacity), (None, None, 3))
    if layout.channels == 1:
        colour = tf.round(tf.reduce_sum(colour * _GREY, axis=-1, keepdims=True))
    # 2. Resize them.
    return tf.saturate_cast(tf.round(fit_to_size(colour, layout)), tf.uint8)


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Return a uint8 image in grey or colour, with or without alpha; JPEGs upright; the first image of an animation."""

    def upright_jpeg() -> tf.Tensor:
        pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")  # exactly like Pillow
        return turn_upright(pixels, read_orientation(encoded))

    return tf.cond(tf.io.is_jpeg(encoded), upright_jpeg, lambda: tf.io.decode_image(encoded, expand_animations=False))


def fit_to_size(values: tf.Tensor, layout: Layout) -> tf.Tensor:
    """Return values (rows, columns, channels) resized with an antialiasing triangle filter, with black borders."""
    size = tf.cast(tf.shape(values)[:2], tf.float64)
    wanted = tf.constant((layout.height, layout.width), tf.float64)
    scale = wanted / size
    if layout.fit == "crop":
        scale = tf.fill([2], tf.reduce_max(scale))
    shift = (wanted - size * scale) / 2
    if layout.fit == "pad":  # by whole pixels, computed in the order of Pillow, which rounds halves the same way
        covered = tf.minimum(wanted, tf.round(size / size[::-1] * wanted[::-1]))
        scale = covered / size
        shift = tf.round((wanted - covered) / 2)
    return tf.raw_ops.ScaleAndTranslate(
        images=values[tf.newaxis],
        size=(layout.height, layout.width),
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(shift, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]


def read_orientation(jpeg: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a JPEG, 1 to 8, from the bytes of its file; 1, upright, if it has none."""
    # 1. Find the segment with the TIFF data. Bytes beyond the end read as zero.
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(jpeg, 0, _HEAD_BYTES), tf.uint8), tf.int64)
    head = tf.pad(head, [[0, len(_SEGMENT)]])
    starts = tf.size(head, tf.int64) - len(_SEGMENT)
    equal = [head[at : at + starts] == byte for at, byte in enumerate(_SEGMENT) if byte is not None]
    matches = tf.reduce_all(equal, axis=0)
    tiff = tf.argmax(matches) + len(_SEGMENT)

    def byte(position: tf.Tensor) -> tf.Tensor:
        return tf.gather(head, tf.clip_by_value(position, 0, tf.size(head, tf.int64) - 1))

    little_endian = byte(tiff) == ord("I")

    def number(position: tf.Tensor, size: int) -> tf.Tensor:
        """Return the unsigned number of `size` bytes at each position."""
        little = sum(byte(position + at) * 256**at for at in range(size))
        big = sum(byte(position + at) * 256 ** (size - 1 - at) for at in range(size))
        return tf.where(little_endian, little, big)

    # 2. Look up the tag in its first directory.
    directory = tiff + number(tiff + 4, 4)
    entries = directory + 2 + _ENTRY_BYTES * tf.range(number(directory, 2))
    values = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _ORIENTATION)
    has_tag = tf.reduce_any(matches) & (tf.size(values) > 0)
    value = tf.cond(has_tag, lambda: values[0], lambda: tf.constant(1, tf.int64))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def turn_upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return an image, (rows, columns, channels), turned or mirrored by its orientation."""
    transposed = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    upright = _reverse_if(tf.reduce_any(orientation == (3, 4, 7, 8)), transposed, axis=0)
    return _reverse_if(tf.reduce_any(orientation == (2, 3, 6, 7)), upright, axis=1)


def _reverse_if(condition: tf.Tensor, pixels: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.cond(condition, lambda: tf.reverse(pixels, [axis]), lambda: pixels)

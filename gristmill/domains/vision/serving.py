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
"""

from pathlib import Path

import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.serving import answer_in_graph
from gristmill.domains.vision.dataset import Layout
from gristmill.domains.vision.exif import read_orientation, turn_upright
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.export import saved_model

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow


def write(model: ImageClassifier, layout: Layout, decision: Decision, folder: Path) -> None:
    """Write a SavedModel with both signatures."""
    image = tf.TensorSpec((layout.height, layout.width, layout.channels), tf.uint8)

    def of_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer_in_graph(model.in_graph(pixels), layout.classes, decision)

    def of_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        return of_pixels(tf.map_fn(lambda one: read_image(one, layout), encoded, fn_output_signature=image))

    endpoints: dict[str, saved_model.Endpoint] = {
        "serving_default": (of_pixels, [tf.TensorSpec((None, *image.shape), tf.uint8, name="image")]),
        "serving_bytes": (of_bytes, [tf.TensorSpec((None,), tf.string, name="encoded")]),
    }
    saved_model.write(folder, endpoints, model.resources)


def read_image(encoded: tf.Tensor, layout: Layout) -> tf.Tensor:
    """Return the uint8 pixels of one encoded image, (height, width, channels)."""
    values = fit_to_size(convert_channels(decode_image(encoded), layout.channels), layout)
    return tf.saturate_cast(tf.round(values), tf.uint8)


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Return a uint8 image in grey or colour, with or without alpha; JPEGs upright; the first image of an animation."""
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: turn_upright(_jpeg(encoded), read_orientation(encoded)),
        lambda: tf.io.decode_image(encoded, expand_animations=False),
    )


def _jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")  # exactly like Pillow


def convert_channels(pixels: tf.Tensor, channels: int) -> tf.Tensor:
    """Return pixels (rows, columns, 1 to 4) as floats in grey or colour, on white where they are transparent."""
    values, found = tf.cast(pixels, tf.float32), tf.shape(pixels)[-1]
    colour = tf.cond(found < 3, lambda: tf.repeat(values[..., :1], 3, axis=-1), lambda: values[..., :3])
    opacity = tf.cond(found % 2 == 0, lambda: values[..., -1:] / 255, lambda: tf.ones_like(values[..., :1]))
    colour = tf.ensure_shape(tf.round(255 + (colour - 255) * opacity), (None, None, 3))
    return colour if channels == 3 else tf.round(tf.reduce_sum(colour * _GREY, axis=-1, keepdims=True))


def fit_to_size(values: tf.Tensor, layout: Layout) -> tf.Tensor:
    """Return values (rows, columns, channels) resized with an antialiasing triangle filter, with black borders."""
    found = tf.cast(tf.shape(values)[:2], tf.float64)
    wanted = tf.constant((layout.height, layout.width), tf.float64)
    scale = wanted / found
    if layout.fit == "crop":
        scale = tf.fill([2], tf.reduce_max(scale))
    shift = (wanted - found * scale) / 2
    if layout.fit == "pad":  # by whole pixels, computed in the order of Pillow, which rounds halves the same way
        covered = tf.minimum(wanted, tf.round(found / found[::-1] * wanted[::-1]))
        scale, shift = covered / found, tf.round((wanted - covered) / 2)
    return tf.raw_ops.ScaleAndTranslate(
        images=values[tf.newaxis],
        size=(layout.height, layout.width),
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(shift, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]

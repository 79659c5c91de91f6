"""The SavedModel of a classifier, which takes pixels or the bytes of image files and names what it sees.

`serving_default` takes uint8 pixels (batch, height, width, channels), `serving_bytes` encoded images (batch,). Both
give `probabilities` (batch, classes), `classes`, the names in the same order (batch, classes), and `label`, the
likeliest name (batch,).

Encoded images are read by TensorFlow and not by Pillow, as `images.py` does, but with the same filter: pixels differ by
one level of 255. A JPEG of six times the network's size or more differs by some 30 levels at an edge, and by a row
where it is padded, for Pillow decodes it at a smaller size. Nine small networks gave 100 photos at 64 pixels other
probabilities by 0.07 at most, and 1 of the 900 labels. The palette of a BMP is not honoured, nor the EXIF orientation
of any file but a JPEG.
"""

from pathlib import Path

import keras
import tensorflow as tf

from gristmill.domains.vision.dataset import Layout
from gristmill.domains.vision.decode import Form
from gristmill.domains.vision.exif import orientation, upright
from gristmill.training.tf_disk_errors import translate_tf_disk_errors

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow has it


class Classifier:
    """A network with the names of its classes."""

    def __init__(self, network: keras.Model, layout: Layout) -> None:
        self._network = network
        self._layout = layout

    def of_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify pixels, (batch, height, width, channels)."""
        probabilities = self._network(pixels, training=False)
        names = tf.constant(self._layout.classes)
        return {
            "probabilities": probabilities,
            "classes": tf.repeat(names[tf.newaxis], tf.shape(pixels)[0], axis=0),
            "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
        }

    def of_bytes(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify encoded images, (batch,)."""
        layout = self._layout
        one = tf.TensorSpec((layout.height, layout.width, layout.channels), tf.uint8)
        return self.of_pixels(tf.map_fn(lambda image: read_image(image, layout), encoded, fn_output_signature=one))


def write(network: keras.Model, layout: Layout, place: Path) -> None:
    """Write a SavedModel with both signatures."""
    classifier = Classifier(network, layout)
    pixels = tf.TensorSpec((None, layout.height, layout.width, layout.channels), tf.uint8, name="image")
    encoded = tf.TensorSpec((None,), tf.string, name="encoded")
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serving_default", classifier.of_pixels, [pixels])
    archive.add_endpoint("serving_bytes", classifier.of_bytes, [encoded])
    with translate_tf_disk_errors(place):
        archive.write_out(place, verbose=False)


def read_image(encoded: tf.Tensor, form: Form) -> tf.Tensor:
    """Return the uint8 pixels of one encoded image, (height, width, channels)."""
    values = fitted(coloured(decoded(encoded), form.channels), form)
    return tf.saturate_cast(tf.round(values), tf.uint8)


def decoded(encoded: tf.Tensor) -> tf.Tensor:
    """Return an image: uint8, grey or colour, with or without alpha; a JPEG upright; of a moving one the first."""
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: upright(_jpeg(encoded), orientation(encoded)),
        lambda: tf.io.decode_image(encoded, expand_animations=False),
    )


def _jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")  # exactly as Pillow decodes it


def coloured(pixels: tf.Tensor, channels: int) -> tf.Tensor:
    """Return pixels (rows, columns, 1 to 4) as floats in grey or in colour, on white where they are transparent."""
    values, found = tf.cast(pixels, tf.float32), tf.shape(pixels)[-1]
    colour = tf.cond(found < 3, lambda: tf.repeat(values[..., :1], 3, axis=-1), lambda: values[..., :3])
    opacity = tf.cond(found % 2 == 0, lambda: values[..., -1:] / 255, lambda: tf.ones_like(values[..., :1]))
    colour = tf.ensure_shape(tf.round(255 + (colour - 255) * opacity), (None, None, 3))
    return colour if channels == 3 else tf.round(tf.reduce_sum(colour * _GREY, axis=-1, keepdims=True))


def fitted(values: tf.Tensor, form: Form) -> tf.Tensor:
    """Return values (rows, columns, channels) at the form's size, by a triangle filter as wide as the reduction.

    Each fit is one scale and shift of both axes; what they leave uncovered is black.
    """
    found = tf.cast(tf.shape(values)[:2], tf.float64)
    wanted = tf.constant((form.height, form.width), tf.float64)
    scale = wanted / found
    if form.fit == "crop":
        scale = tf.fill([2], tf.reduce_max(scale))
    shift = (wanted - found * scale) / 2
    if form.fit == "pad":  # by whole pixels, computed in Pillow's order: a half is rounded the same way
        covered = tf.minimum(wanted, tf.round(found / found[::-1] * wanted[::-1]))
        scale, shift = covered / found, tf.round((wanted - covered) / 2)
    return tf.raw_ops.ScaleAndTranslate(
        images=values[tf.newaxis],
        size=(form.height, form.width),
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(shift, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]

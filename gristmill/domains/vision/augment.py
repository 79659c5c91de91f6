"""Random augmentation of training images, within TensorFlow's graph; the draws depend only on the seed.

The geometric changes have the meaning and order of Keras' `ImageDataGenerator` (flip, zoom, shear, shift, rotate), but
also work about the centre of images that are not square. Contrast and brightness follow.

Affine transforms are composed as matrices and applied once, so that pixels are interpolated once. A matrix (batch, 3,
3) maps the position of a pixel (x, y, 1) in the output to its position in the input, in pixels from the image's centre,
x to the right and y down. It is float64: a GPU may multiply float32 in TF32, whose ten bits of fraction are too few for
a position in an image.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from gristmill.domains.vision.settings import Augment


def changes_images(augment: Augment) -> bool:
    """Return whether the settings change images at all."""
    return augment != Augment(fill=augment.fill)


def augment_images(pixels: tf.Tensor, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Return images as float32, 0 to 255, each changed by its own random draws, if the settings change anything.

    The pixels are (batch, height, width, channels), 0 to 255, of any type, and the batch may be of unknown size; the
    seed is two integers.
    """
    images = tf.cast(pixels, tf.float32)
    if not changes_images(augment):
        return images
    drawn = tf.random.stateless_uniform((tf.shape(pixels)[0], 10), seed, -1.0, 1.0, tf.float64)
    *geometry, contrast, brightness = tf.unstack(drawn, axis=1)
    flips = augment.horizontal_flip or augment.vertical_flip
    if flips or any((augment.rotation, augment.shift, augment.shear, augment.zoom)):
        images = transform(images, compose_transform(augment, geometry, *pixels.shape[1:3]), augment.fill)
    if augment.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + (images - mean) * _per_image(1 + augment.contrast * contrast)
    if augment.brightness:
        images += _per_image(255 * augment.brightness * brightness)
    return tf.clip_by_value(images, 0.0, 255.0)


def compose_transform(augment: Augment, drawn: Sequence[tf.Tensor], height: int, width: int) -> tf.Tensor:
    """Return one transform per image, (batch, 3, 3), from eight draws from -1 to 1, float64 (batch,) each."""
    angle, left, up, lean, zoom_x, zoom_y, flip_x, flip_y = drawn
    return (
        rotation(augment.rotation * angle)
        @ shift(augment.shift * width * left, augment.shift * height * up)
        @ shear(augment.shear * lean)
        @ scale(
            (1 + augment.zoom * zoom_x) * _flip(augment.horizontal_flip, flip_x),
            (1 + augment.zoom * zoom_y) * _flip(augment.vertical_flip, flip_y),
        )
    )


def _flip(allowed: bool, drawn: tf.Tensor) -> tf.Tensor:
    """Return -1 for half of the images, if flips are allowed, and 1 for the others."""
    return tf.where(allowed & (drawn < 0), tf.constant(-1.0, tf.float64), tf.constant(1.0, tf.float64))


def _per_image(values: tf.Tensor) -> tf.Tensor:
    """Return one number per image, (batch,), in a shape that broadcasts with pixels: (batch, 1, 1, 1)."""
    return tf.cast(tf.reshape(values, (-1, 1, 1, 1)), tf.float32)


def rotation(degrees: tf.Tensor) -> tf.Tensor:
    """Return rotations by angles (batch,): images turn anticlockwise for positive angles."""
    angle = degrees * (math.pi / 180)
    return _matrix(tf.cos(angle), -tf.sin(angle), 0.0, tf.sin(angle), tf.cos(angle), 0.0)


def shift(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return shifts by pixels (batch,): images move left and up for positive values."""
    return _matrix(1.0, 0.0, x, 0.0, 1.0, y)


def shear(degrees: tf.Tensor) -> tf.Tensor:
    """Return shears by angles (batch,): columns lean by the angle and keep their length."""
    angle = degrees * (math.pi / 180)
    return _matrix(1.0, -tf.sin(angle), 0.0, 0.0, tf.cos(angle), 0.0)


def scale(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return zooms by factors (batch,): images shrink for factors above 1, and are mirrored for factors below 0."""
    return _matrix(x, 0.0, 0.0, 0.0, y, 0.0)


def transform(pixels: tf.Tensor, matrix: tf.Tensor, fill: str) -> tf.Tensor:
    """Return float32 images of static size, transformed by their matrices with bilinear interpolation.

    Pixels beyond the edge are filled by `nearest`, `constant` (black), `reflect` or `wrap`.
    """
    height, width = pixels.shape[1:3]
    x, y = (tf.constant([(side - 1) / 2], tf.float64) for side in (width, height))
    from_corner = shift(x, y) @ matrix @ shift(-x, -y)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.cast(tf.reshape(from_corner, (-1, 9))[:, :8], tf.float32),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill.upper(),
    )


def _matrix(*entries: tf.Tensor | float) -> tf.Tensor:
    """Return matrices (batch, 3, 3) from the six entries of their upper rows, each (batch,) or one number for all."""
    zeros = tf.zeros_like(sum(entries))
    return tf.reshape(tf.stack([entry + zeros for entry in (*entries, 0.0, 0.0, 1.0)], axis=-1), (-1, 3, 3))

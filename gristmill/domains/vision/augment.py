"""Random augmentation of training images, within TensorFlow's graph; the draws depend only on the seed.

The geometric changes have the meaning and order of Keras' `ImageDataGenerator` (flip, zoom, shear, shift, rotate), but
also work about the centre of images that are not square. Contrast, brightness and cutout follow.

Affine transforms are composed as matrices and applied once, so that pixels are interpolated once. A matrix (batch, 3,
3) maps the position of a pixel (x, y, 1) in the output to its position in the input, in pixels from the image's centre,
x to the right and y down. It is float64: a GPU may multiply float32 in TF32, whose ten bits of fraction are too few for
a position in an image.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import tensorflow as tf

from gristmill.domains.vision.settings import Augment


def changes_images(augment: Augment) -> bool:
    """Return whether the settings change training images at all."""
    return augment != Augment(fill=augment.fill, average_flips=augment.average_flips)


def augment_images(pixels: tf.Tensor, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Return images as float32, 0 to 255, each changed by its own random draws, if the settings change anything.

    The pixels are (batch, height, width, channels), 0 to 255, of any type, and the batch may be of unknown size; the
    seed is two integers.
    """

    def per_image(values: tf.Tensor) -> tf.Tensor:
        """Return one number per image, (batch,), in a shape that broadcasts with pixels: (batch, 1, 1, 1)."""
        return tf.cast(tf.reshape(values, (-1, 1, 1, 1)), tf.float32)

    images = tf.cast(pixels, tf.float32)
    if not changes_images(augment):
        return images

    # 1. Change the geometry, in one interpolation.
    drawn = tf.random.stateless_uniform((tf.shape(pixels)[0], 10), seed, -1.0, 1.0, tf.float64)
    *geometry, contrast, brightness = tf.unstack(drawn, axis=1)
    flips = augment.horizontal_flip or augment.vertical_flip
    if flips or any((augment.rotation, augment.shift, augment.shear, augment.zoom)):
        images = transform(images, compose_transform(augment, geometry, *pixels.shape[1:3]), augment.fill)

    # 2. Change the colours.
    if augment.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + (images - mean) * per_image(1 + augment.contrast * contrast)
    if augment.brightness:
        images += per_image(255 * augment.brightness * brightness)
    images = tf.clip_by_value(images, 0.0, 255.0)

    # 3. Cover a part.
    return _cut_out(images, augment.cutout, seed) if augment.cutout else images


def _cut_out(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Return images with a grey square each; its centre is anywhere, so a part may lie beyond the edge.

    Source: DeVries & Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """
    height, width = images.shape[1:3]
    own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    centres = tf.random.stateless_uniform((2, tf.shape(images)[0], 1), own_seed)
    reach = share * min(height, width) / 2
    rows, columns = (
        tf.abs(tf.range(side, dtype=tf.float32) + 0.5 - side * centre) < reach
        for side, centre in zip((height, width), tf.unstack(centres), strict=True)
    )
    covered = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
    return tf.where(covered, 127.5, images)


def compose_transform(augment: Augment, drawn: Sequence[tf.Tensor], height: int, width: int) -> tf.Tensor:
    """Return one transform per image, (batch, 3, 3), from eight draws from -1 to 1, float64 (batch,) each."""

    def flip(allowed: bool, draw: tf.Tensor) -> tf.Tensor:
        """Return -1 for half of the images, if flips are allowed, and 1 for the others."""
        return tf.where(allowed & (draw < 0), tf.constant(-1.0, tf.float64), tf.constant(1.0, tf.float64))

    angle, left, up, lean, zoom_x, zoom_y, flip_x, flip_y = drawn
    return (
        rotation(augment.rotation * angle)
        @ shift(augment.shift * width * left, augment.shift * height * up)
        @ shear(augment.shear * lean)
        @ scale(
            (1 + augment.zoom * zoom_x) * flip(augment.horizontal_flip, flip_x),
            (1 + augment.zoom * zoom_y) * flip(augment.vertical_flip, flip_y),
        )
    )


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
    interpolate = _interpolator((*pixels.shape[1:],), pixels.dtype, fill)
    return tf.ensure_shape(interpolate(pixels, tf.cast(from_corner[:, :2], tf.float32)), pixels.shape)


@cache
def _interpolator(shape: tuple[int, ...], dtype: tf.DType, fill: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return `_interpolate` for images of one shape, compiled by XLA: it fuses dozens of operations on each pixel."""
    signature = tf.TensorSpec((None, *shape), dtype), tf.TensorSpec((None, 2, 3), tf.float32)
    with tf.init_scope():  # traced outside of the graph that calls it first, so that others can call it, too
        compiled = tf.function(partial(_interpolate, fill=fill), autograph=False, jit_compile=True)
        function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = compiled.get_concrete_function(*signature)
        return function


def _interpolate(pixels: tf.Tensor, matrix: tf.Tensor, fill: str) -> tf.Tensor:
    """Return images at the positions that the upper rows of matrices (batch, 2, 3) give, counted from the corner."""
    # 1. Find the four pixels around each position, and their weights.
    height, width, channels = pixels.shape[1:]
    x, y = tf.range(width, dtype=tf.float32), tf.range(height, dtype=tf.float32)[:, tf.newaxis]
    entries = tf.transpose(matrix, (1, 2, 0))[..., tf.newaxis, tf.newaxis]  # (2, 3, batch, 1, 1)
    at_x, at_y = (row[0] * x + row[1] * y + row[2] for row in tf.unstack(entries))
    columns, column_weights = _neighbours(at_x, width, fill)
    rows, row_weights = _neighbours(at_y, height, fill)

    # 2. Mix them along their rows, then the two rows.
    first = tf.reshape(tf.range(tf.shape(pixels)[0]) * height, (-1, 1, 1))  # row of each image's corner
    flat = tf.reshape(pixels, (-1, channels))

    def mix_columns(row: tf.Tensor) -> tf.Tensor:
        corners = [tf.cast(tf.gather(flat, (first + row) * width + column), tf.float32) for column in columns]
        return _mix(corners, column_weights)

    return _mix([mix_columns(row) for row in rows], row_weights)


def _mix(values: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the weighted sum of two tensors (batch, height, width, channels)."""
    return weights[0][..., tf.newaxis] * values[0] + weights[1][..., tf.newaxis] * values[1]


def _neighbours(at: tf.Tensor, size: int, fill: str) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Return the pixels before and after positions on an axis of `size` pixels, and their weights.

    Each is (batch, height, width). Those that do not exist have a weight of 0.
    """
    match fill:
        case "nearest":
            at = tf.clip_by_value(at, 0.0, size - 1.0)
        case "reflect":
            at = tf.math.floormod(at, 2.0 * size)
            at = tf.clip_by_value(tf.minimum(at, 2.0 * size - 1 - at), 0.0, size - 1.0)
        case "wrap":
            at = tf.math.floormod(at, float(size))
    before = tf.floor(at)
    after = before + 1
    weights = [after - at, at - before]
    if fill == "constant":
        exist = [tf.cast((place >= 0) & (place < size), tf.float32) for place in (before, after)]
        weights = [weights[0] * exist[0], weights[1] * exist[1]]
    after = tf.math.floormod(after, float(size)) if fill == "wrap" else after
    return [tf.cast(tf.clip_by_value(place, 0.0, size - 1.0), tf.int32) for place in (before, after)], weights


def _matrix(*entries: tf.Tensor | float) -> tf.Tensor:
    """Return matrices (batch, 3, 3) from the six entries of their upper rows, each (batch,) or one number for all."""
    zeros = tf.zeros_like(sum(entries))
    return tf.reshape(tf.stack([entry + zeros for entry in (*entries, 0.0, 0.0, 1.0)], axis=-1), (-1, 3, 3))

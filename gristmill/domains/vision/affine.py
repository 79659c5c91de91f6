"""Affine transforms of images, one a batch's image, composed as matrices and applied once, so that pixels blur once.

A matrix (batch, 3, 3) leads from where a pixel (x, y, 1) is drawn to where it is taken from, x to the right and y down
from the image's centre, in pixels. It is float64: a GPU may multiply float32 in TF32, whose ten bits of fraction are
too few for a place in an image.
"""

import math

import tensorflow as tf


def rotation(degrees: tf.Tensor) -> tf.Tensor:
    """Return rotations by angles (batch,): what is drawn turns anticlockwise where they are positive."""
    angle = degrees * (math.pi / 180)
    return _matrix(tf.cos(angle), -tf.sin(angle), 0.0, tf.sin(angle), tf.cos(angle), 0.0)


def shift(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return shifts by pixels (batch,): what is drawn moves left and up where they are positive."""
    return _matrix(1.0, 0.0, x, 0.0, 1.0, y)


def shear(degrees: tf.Tensor) -> tf.Tensor:
    """Return shears by angles (batch,): columns lean by them, and keep their length."""
    angle = degrees * (math.pi / 180)
    return _matrix(1.0, -tf.sin(angle), 0.0, 0.0, tf.cos(angle), 0.0)


def scale(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return zooms by factors (batch,): what is drawn is smaller above 1, and mirrored below 0."""
    return _matrix(x, 0.0, 0.0, 0.0, y, 0.0)


def transform(pixels: tf.Tensor, matrix: tf.Tensor, fill: str) -> tf.Tensor:
    """Return images drawn through their matrices, bilinear.

    Args:
        pixels: float32 (batch, height, width, channels), of a height and width that are known.
        matrix: float64 (batch, 3, 3).
        fill: what comes in from beyond the edge: `nearest`, `constant` (black), `reflect` or `wrap`.
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
    """Return matrices (batch, 3, 3) of the six entries of their upper rows, each (batch,) or one number for all."""
    zeros = tf.zeros_like(sum(entries))
    return tf.reshape(tf.stack([entry + zeros for entry in (*entries, 0.0, 0.0, 1.0)], axis=-1), (-1, 3, 3))

"""Random augmentation of training images, within TensorFlow's graph; the draws depend only on the seed.

The geometric changes have the meaning and order of Keras' `ImageDataGenerator` (flip, zoom, shear, shift, rotate), but
also work about the centre of images that are not square. Contrast and brightness follow.
"""

from collections.abc import Sequence

import tensorflow as tf

from gristmill.domains.vision.affine import rotation, scale, shear, shift, transform
from gristmill.domains.vision.settings import Augment


def changes_images(augment: Augment) -> bool:
    """Return whether the settings change images at all."""
    return augment != Augment(fill=augment.fill)


def augment_images(pixels: tf.Tensor, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Return images, each changed by its own random draws.

    Args:
        pixels: (batch, height, width, channels), 0 to 255, of any type; the batch may be of unknown size.
        augment: limits of the changes.
        seed: two integers.

    Returns:
        float32 of the same shape, 0 to 255; the same pixels if the settings change nothing.
    """
    images = tf.cast(pixels, tf.float32)
    if not changes_images(augment):
        return images
    drawn = tf.random.stateless_uniform((tf.shape(pixels)[0], 10), seed, -1.0, 1.0, tf.float64)
    *geometry, contrast, brightness = tf.unstack(drawn, axis=1)
    if changes_images(augment.model_copy(update={"contrast": 0.0, "brightness": 0.0})):
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

"""Random changes of training images, within TensorFlow's graph: what is drawn depends on the seed alone.

The geometric ones have the meaning and order of Keras' `ImageDataGenerator` (flip, zoom, shear, shift, rotate), but
are about the centre of images that are not square, too. Brightness and contrast follow.
"""

from collections.abc import Sequence

import tensorflow as tf

from gristmill.domains.vision.affine import rotation, scale, shear, shift, transform
from gristmill.domains.vision.settings import Augment


def changes_images(augment: Augment) -> bool:
    """Return whether anything is changed at all."""
    return augment != Augment(fill=augment.fill)


def augment_images(pixels: tf.Tensor, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Return each image changed in its own way.

    Args:
        pixels: (batch, height, width, channels), 0 to 255, of any type; the batch may be of unknown size.
        augment: what is changed, and how far.
        seed: two integers; the same ones change the same images alike.

    Returns:
        float32 of the same shape, 0 to 255; exactly the pixels where nothing is changed.
    """
    made = tf.cast(pixels, tf.float32)
    if not changes_images(augment):
        return made
    drawn = tf.random.stateless_uniform((tf.shape(pixels)[0], 10), seed, -1.0, 1.0, tf.float64)
    *place, contrast, brightness = tf.unstack(drawn, axis=1)
    if _moves(augment):
        made = transform(made, composed(augment, place, *pixels.shape[1:3]), augment.fill)
    if augment.contrast:
        mean = tf.reduce_mean(made, axis=(1, 2, 3), keepdims=True)
        made = mean + (made - mean) * _each(1 + augment.contrast * contrast)
    if augment.brightness:
        made += _each(255 * augment.brightness * brightness)
    return tf.clip_by_value(made, 0.0, 255.0)


def _moves(augment: Augment) -> bool:
    """Return whether pixels change their places."""
    flips = augment.horizontal_flip or augment.vertical_flip
    return flips or any((augment.rotation, augment.shift, augment.shear, augment.zoom))


def composed(augment: Augment, drawn: Sequence[tf.Tensor], height: int, width: int) -> tf.Tensor:
    """Return one transform an image, (batch, 3, 3), of eight numbers from -1 to 1 for each, float64 (batch,)."""
    angle, left, up, lean, zoom_x, zoom_y, flip_x, flip_y = drawn
    return (
        rotation(augment.rotation * angle)
        @ shift(augment.shift * width * left, augment.shift * height * up)
        @ shear(augment.shear * lean)
        @ scale(
            (1 + augment.zoom * zoom_x) * _mirror(augment.horizontal_flip, flip_x),
            (1 + augment.zoom * zoom_y) * _mirror(augment.vertical_flip, flip_y),
        )
    )


def _mirror(allowed: bool, drawn: tf.Tensor) -> tf.Tensor:
    """Return -1 for half of the images, if that is allowed, and 1 for the others."""
    return tf.where(allowed & (drawn < 0), tf.constant(-1.0, tf.float64), tf.constant(1.0, tf.float64))


def _each(values: tf.Tensor) -> tf.Tensor:
    """Return one number an image, (batch,), to calculate with its pixels: (batch, 1, 1, 1)."""
    return tf.cast(tf.reshape(values, (-1, 1, 1, 1)), tf.float32)

"""Class activation maps: how much the places of an image speak for a class.

Source: Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, "Grad-CAM: visual explanations from deep networks via
gradient-based localization", ICCV 2017.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from gristmill.domains.vision.dataset import Pixels
from gristmill.domains.vision.feature_maps import with_feature_maps

if TYPE_CHECKING:
    import keras

ClassMaps = npt.NDArray[np.float32]  # (images, rows, columns), from 0 to 1

_MIN_PROBABILITY = 1e-7  # whose logarithm is finite
_NEAR = 0.4  # distance of the mean place from an edge, as a share of the side, below which it is named after the edge
_RED = np.array([220, 30, 30], np.float32)
_OPACITY = 0.65  # where the map is largest


def class_maps(network: "keras.Model", images: Pixels, classes: Sequence[int]) -> ClassMaps | None:
    """Return for each image how much its places speak for one of the classes; None for a network without convolutions.

    The maps of the last convolution, as they are seen by the next layer, are weighted by the mean gradient of the
    logarithm of the class's probability. Each result is scaled to a maximum of 1, or is 0 if nothing speaks for the
    class.
    """
    import tensorflow as tf

    # 1. Compute the probability and the maps.
    extended, convolutions = with_feature_maps(network)
    if not convolutions:
        return None
    with tf.GradientTape() as tape:
        tape.watch(convolutions[-1].kernel.value)  # which a frozen base would not be
        probabilities, *_, maps = extended(images)
        chosen = tf.gather(probabilities, tf.constant(classes, tf.int32), axis=1, batch_dims=1)
        evidence = tf.math.log(tf.maximum(chosen, _MIN_PROBABILITY))

    # 2. Weight each map by what it does for the class.
    weights = tf.reduce_mean(tape.gradient(evidence, maps), axis=(1, 2), keepdims=True)
    spoken = tf.nn.relu(tf.reduce_sum(weights * tf.nn.relu(maps), axis=-1)).numpy()
    largest = spoken.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(spoken, largest, out=np.zeros_like(spoken), where=largest > 0))


def place(class_map: npt.NDArray[np.float32]) -> str:
    """Return in words where most of a map is, such as "upper left", or an empty text if it is 0."""
    total = class_map.sum()
    if not total:
        return ""
    row, column = (
        float(class_map.sum(axis=other) @ (np.arange(size) + 0.5)) / total / size
        for other, size in zip((1, 0), class_map.shape, strict=True)
    )
    down = "upper" if row < _NEAR else "lower" if row > 1 - _NEAR else ""
    across = "left" if column < _NEAR else "right" if column > 1 - _NEAR else ""
    return f"{down} {across}".strip() or "middle"


def picture(image: Pixels, class_map: npt.NDArray[np.float32], side: int) -> bytes:
    """Return a JPEG of an image in grey, (height, width, channels), on which the map is red; at most `side` pixels."""
    shown = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).convert("L")
    shown.thumbnail((side, side))
    opacity = _OPACITY * np.asarray(Image.fromarray(class_map).resize(shown.size, Image.Resampling.BILINEAR))
    grey = np.asarray(shown, np.float32)[..., np.newaxis]
    blended = grey + (_RED - grey) * opacity[..., np.newaxis]
    encoded = io.BytesIO()
    Image.fromarray(np.round(blended).astype(np.uint8)).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()

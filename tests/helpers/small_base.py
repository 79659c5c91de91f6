"""A base of keras.applications that is small and tells images apart, though nothing of it was ever trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.models.transfer import Transfer

if TYPE_CHECKING:
    import keras

SHAPE = Shape(height=48, width=40, channels=3, classes=3)
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
IMAGES = COLOURS.repeat(8, axis=1).repeat(8, axis=2)  # of squares
SMALL = {"kind": "transfer", "base": "MobileNetV3Small", "weights": "none"}


def built(shape: Shape = SHAPE, **fields: Any) -> "keras.Model":
    """Return the network of the small base, drawn by one seed, and its head."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return Transfer.model_validate(SMALL | fields).build(shape)


def base_of(network: "keras.Model") -> "keras.Model":
    """Return the network of keras.applications itself."""
    return network.get_layer("base").layers[1]


def write_weights(folder: Path) -> str:
    """Write weights as they were drawn, with the statistics of images: else features would be next to nothing."""
    import keras

    base = base_of(built())
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable, layer.momentum = True, 0.0
    base(IMAGES.astype(np.float32), training=True)
    file = folder / "small.weights.h5"
    base.save_weights(file)
    return str(file)

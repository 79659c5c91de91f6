"""A base of keras.applications that is small and tells images apart, though nothing of it was ever trained.

PYTEST_DONT_REWRITE: it asserts nothing. As a pytest plugin it gives the base's first blocks alone, and their weights.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.transfer import Transfer

if TYPE_CHECKING:
    import keras

SHAPE = Shape(height=48, width=40, channels=3, classes=3)
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
IMAGES = COLOURS.repeat(8, axis=1).repeat(8, axis=2)  # of squares
SMALL = {"kind": "transfer", "base": "MobileNetV3Small", "weights": "none"}
CUT = "expanded_conv_2_project_bn"  # the last layer of the first blocks


@pytest.fixture(scope="session")
def blocks() -> dict[str, Any]:
    """The configuration of the base's layers up to `CUT`."""
    import keras

    from gristmill.domains.vision import pretrained

    whole = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=SHAPE.image)
    config: dict[str, Any] = pretrained.cut(whole, CUT).get_config()
    return config


@pytest.fixture(scope="module")
def first_blocks(blocks: dict[str, Any]) -> Iterator[None]:
    """Have Keras build the first blocks of the base alone, in a tenth of the time."""
    import keras

    def build(include_top: bool, weights: None, input_shape: tuple[int, int, int]) -> "keras.Model":
        config = deepcopy(blocks)
        config["layers"][0]["config"]["batch_shape"] = (None, *input_shape)
        return keras.Model.from_config(config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV3Small", build)
        yield


@pytest.fixture(scope="module")
def weights(first_blocks: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights for the first blocks."""
    return write_weights(tmp_path_factory.mktemp("weights"))


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

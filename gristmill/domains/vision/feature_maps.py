"""Filters of a network's first convolution, and feature maps of a few images.

Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.vision.dataset import Pixels

if TYPE_CHECKING:
    import keras

Filters = npt.NDArray[np.float32]  # (height, width, channels, filters)
Maps = npt.NDArray[np.uint8]  # (images, height, width, maps), each scaled to 0..255

MAX_SIDE = 128  # pixels of the longer side of a picture
MAX_FILTERS = 32
MAX_LAYERS = 4  # evenly spaced, including the first and the last layer
MAX_MAPS = 8  # per layer: the maps that vary most over the images

_FILE = "feature_maps.npz"
_OLD_FILE = "looks.npz"  # its name in artifacts of earlier releases
_PREFIX = "maps "  # prefix of layer names in the file


@dataclass(frozen=True)
class FeatureMaps:
    """Images, filters of the first convolution, and feature maps of the images."""

    images: Pixels
    filters: Filters
    maps: dict[str, Maps]  # by layer

    def write(self, out: Path) -> None:
        """Write `feature_maps.npz`."""
        arrays: dict[str, Any] = {"images": self.images, "filters": self.filters}
        arrays |= {_PREFIX + name: values for name, values in self.maps.items()}
        np.savez_compressed(out / _FILE, allow_pickle=False, **arrays)


def read(folder: Path) -> FeatureMaps | None:
    """Return the feature maps in the artifact of evaluate; None without a convolution."""
    path = next((folder / name for name in (_FILE, _OLD_FILE) if (folder / name).exists()), None)
    if path is None:
        return None
    with np.load(path, allow_pickle=False) as arrays:
        maps = {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files if name.startswith(_PREFIX)}
        return FeatureMaps(arrays["images"], arrays["filters"], maps)


def compute_feature_maps(network: "keras.Model", images: Pixels) -> FeatureMaps | None:
    """Return the filters of the first convolution, and feature maps of images; None without a convolution."""
    extended, convolutions = with_feature_maps(network)
    if not convolutions:
        return None
    _, *outputs = extended.predict(images, verbose=0)
    maps = {}
    for at in evenly_spaced(len(outputs), MAX_LAYERS):
        # Of each layer, the maps that vary most are kept, scaled to the full range.
        values = np.asarray(outputs[at])
        most_varied = np.sort(np.argsort(-values.std(axis=(0, 1, 2)), kind="stable")[:MAX_MAPS])
        maps[convolutions[at].name] = thumbnails(as_levels(values[..., most_varied]))
    return FeatureMaps(thumbnails(images), np.asarray(convolutions[0].kernel)[..., :MAX_FILTERS], maps)


def as_levels(values: npt.NDArray[np.float32]) -> Pixels:
    """Return numbers as levels from 0 to 255, with the range of each index of the last axis stretched to all of it."""
    low, high = values.min(axis=(0, 1, 2)), values.max(axis=(0, 1, 2))
    return np.asarray(np.round(255 * (values - low) / np.where(high > low, high - low, 1)), np.uint8)


def thumbnails(images: Pixels) -> Pixels:
    """Return images (images, height, width, channels), reduced to at most `MAX_SIDE` pixels a side."""
    if max(images.shape[1:3]) <= MAX_SIDE or not len(images):
        return images
    import tensorflow as tf

    small = tf.image.resize(images, (MAX_SIDE, MAX_SIDE), method="area", preserve_aspect_ratio=True)
    return np.asarray(np.round(small.numpy()), np.uint8)


def with_feature_maps(network: "keras.Model") -> "tuple[keras.Model, list[Any]]":
    """Return the network with the outputs of all convolutions after its own output, and these convolutions.

    The tensors of a nested network cannot be reached from the outer input, so every layer is called again, on new
    inputs.
    """
    import keras

    convolutions: list[Any] = []
    outputs: list[Any] = []

    def call(layer: Any, *inputs: Any, **named: Any) -> Any:
        # 1. Call the layer; a nested network also gives the maps of its convolutions.
        if isinstance(layer, keras.Model):
            extended, inner = with_feature_maps(layer)
            output, *maps = extended(*inputs, **named)
        else:
            output = layer(*inputs, **named)
            is_map = isinstance(layer, keras.layers.Conv2D) and output.shape[1:3] != (1, 1)  # one pixel is not a map
            inner, maps = ([layer], [output]) if is_map else ([], [])

        # 2. Collect the maps of each convolution once: a network is called again for the mirror image.
        for convolution, values in zip(inner, maps, strict=True):
            if convolution not in convolutions:
                convolutions.append(convolution)
                outputs.append(values)
        return output

    if isinstance(network, keras.Sequential):
        inputs = output = keras.Input(network.input_shape[1:])
        for layer in network.layers:
            output = call(layer, output)
    else:
        again = keras.models.clone_model(network, None, lambda same: same, call)
        inputs, output = again.input, again.output
    return keras.Model(inputs, [output, *outputs]), convolutions

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

_PREFIX = "maps "  # prefix of layer names in the file


@dataclass(frozen=True)
class FeatureMaps:
    """Images, filters of the first convolution, and feature maps of the images."""

    images: Pixels
    filters: Filters
    maps: dict[str, Maps]  # by layer


def compute_feature_maps(network: "keras.Model", images: Pixels) -> FeatureMaps | None:
    """Return the filters of the first convolution, and feature maps of images; None without a convolution."""
    extended, convolutions = _with_feature_maps(network)
    if not convolutions:
        return None
    _, *made = extended.predict(images, verbose=0)
    kept = evenly_spaced(len(made), MAX_LAYERS)
    return FeatureMaps(
        thumbnails(images),
        np.asarray(convolutions[0].kernel)[..., :MAX_FILTERS],
        {convolutions[at].name: thumbnails(_most_varied(np.asarray(made[at]))) for at in kept},
    )


def thumbnails(images: Pixels) -> Pixels:
    """Return images (images, height, width, channels), reduced to at most `MAX_SIDE` pixels a side."""
    if max(images.shape[1:3]) <= MAX_SIDE or not len(images):
        return images
    import tensorflow as tf

    small = tf.image.resize(images, (MAX_SIDE, MAX_SIDE), method="area", preserve_aspect_ratio=True)
    made: Pixels = np.round(small.numpy()).astype(np.uint8)
    return made


def write(found: FeatureMaps | None, out: Path) -> None:
    """Write `looks.npz`, unless there are no feature maps."""
    if found is not None:
        maps = {_PREFIX + name: values for name, values in found.maps.items()}
        arrays: dict[str, Any] = {"images": found.images, "filters": found.filters} | maps
        np.savez_compressed(out / "looks.npz", allow_pickle=False, **arrays)


def read(folder: Path) -> FeatureMaps | None:
    """Return what `write` wrote; None without a file."""
    if not (folder / "looks.npz").exists():
        return None
    with np.load(folder / "looks.npz", allow_pickle=False) as arrays:
        maps = {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files if name.startswith(_PREFIX)}
        return FeatureMaps(arrays["images"], arrays["filters"], maps)


def _with_feature_maps(network: "keras.Model") -> "tuple[keras.Model, list[Any]]":
    """Return the network with the outputs of all convolutions after its own output, and these convolutions.

    The tensors of a nested network cannot be reached from the outer input, so every layer is called again, on new
    inputs.
    """
    import keras

    convolutions: list[Any] = []
    outputs: list[Any] = []

    def call(layer: Any, *given: Any, **named: Any) -> Any:
        if isinstance(layer, keras.Model):
            extended, found = _with_feature_maps(layer)
            made, *inner = extended(*given, **named)
        else:
            made = layer(*given, **named)
            is_map = isinstance(layer, keras.layers.Conv2D) and max(made.shape[1:3]) > 1  # one pixel is not a map
            found, inner = ([layer], [made]) if is_map else ([], [])
        for convolution, maps in zip(found, inner, strict=True):
            if convolution not in convolutions:  # a network is called again for the mirror image
                convolutions.append(convolution)
                outputs.append(maps)
        return made

    if isinstance(network, keras.Sequential):
        inputs = made = keras.Input(network.input_shape[1:])
        for layer in network.layers:
            made = call(layer, made)
    else:
        again = keras.models.clone_model(network, None, lambda same: same, call)
        inputs, made = again.inputs, again.output
    return keras.Model(inputs, [made, *outputs]), convolutions


def _most_varied(made: npt.NDArray[np.float32]) -> Maps:
    """Return the maps (images, height, width, maps) that vary most, each scaled to the full range."""
    spread = made.std(axis=(0, 1, 2))
    chosen = made[..., np.sort(np.argsort(-spread, kind="stable")[:MAX_MAPS])]
    low, high = chosen.min(axis=(0, 1, 2)), chosen.max(axis=(0, 1, 2))
    scaled: Maps = np.round(255 * (chosen - low) / np.where(high > low, high - low, 1)).astype(np.uint8)
    return scaled

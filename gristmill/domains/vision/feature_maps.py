"""What a network is made of and what it sees: its layers, its first filters, its feature maps of a few images.

Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.vision.dataset import Pixels

if TYPE_CHECKING:
    import keras

Filters = npt.NDArray[np.float32]  # (height, width, channels, filters)
Maps = npt.NDArray[np.uint8]  # (images, height, width, maps), each stretched to 0..255

SIDE = 128  # pixels of the longer side of what is shown, at most
FILTERS = 32  # that are kept at most
LAYERS = 4  # that are kept at most: first and last, and evenly between
MAPS = 8  # of a layer that are kept at most: those that differ most over the images

_MAPS = "maps "  # before the layer's name in the file


@dataclass(frozen=True)
class Looks:
    """What a network sees of a few images."""

    images: Pixels
    filters: Filters
    maps: dict[str, Maps]  # by layer


def look(network: "keras.Model", images: Pixels) -> Looks | None:
    """Return the filters of the first convolution, and what convolutions make of images; None where there is none."""
    watched, convolutions = _watched(network)
    if not convolutions:
        return None
    _, *made = watched.predict(images, verbose=0)
    kept = np.unique(np.linspace(0, len(made) - 1, LAYERS).astype(int))
    return Looks(
        thumbnails(images),
        np.asarray(convolutions[0].kernel)[..., :FILTERS],
        {convolutions[at].name: thumbnails(_most_varied(np.asarray(made[at]))) for at in kept},
    )


def thumbnails(images: Pixels) -> Pixels:
    """Return images (images, height, width, channels) that are no larger than what is shown of them."""
    if max(images.shape[1:3]) <= SIDE or not len(images):
        return images
    import tensorflow as tf

    small = tf.image.resize(images, (SIDE, SIDE), method="area", preserve_aspect_ratio=True)
    made: Pixels = np.round(small.numpy()).astype(np.uint8)
    return made


def write(found: Looks | None, out: Path) -> None:
    """Write `looks.npz`, if anything was found."""
    if found is not None:
        maps = {_MAPS + name: values for name, values in found.maps.items()}
        arrays: dict[str, Any] = {"images": found.images, "filters": found.filters} | maps
        np.savez_compressed(out / "looks.npz", allow_pickle=False, **arrays)


def read(folder: Path) -> Looks | None:
    """Return what `write` wrote; None if nothing."""
    if not (folder / "looks.npz").exists():
        return None
    with np.load(folder / "looks.npz", allow_pickle=False) as arrays:
        maps = {name.removeprefix(_MAPS): arrays[name] for name in arrays.files if name.startswith(_MAPS)}
        return Looks(arrays["images"], arrays["filters"], maps)


def _watched(network: "keras.Model") -> "tuple[keras.Model, list[Any]]":
    """Return the network with the outputs of all convolutions after its own, and these convolutions.

    A network within a network has a graph of its own, whose tensors cannot be reached from the outer input: so every
    layer is called once more, on new inputs.
    """
    import keras

    convolutions: list[Any] = []
    outputs: list[Any] = []

    def call(layer: Any, *given: Any, **named: Any) -> Any:
        if isinstance(layer, keras.Model):
            watched, found = _watched(layer)
            made, *inner = watched(*given, **named)
        else:
            made = layer(*given, **named)
            seen = isinstance(layer, keras.layers.Conv2D) and max(made.shape[1:3]) > 1  # a pixel shows nothing
            found, inner = ([layer], [made]) if seen else ([], [])
        convolutions.extend(found)
        outputs.extend(inner)
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
    """Return the maps (images, height, width, maps) that differ most, each stretched to the full range."""
    spread = made.std(axis=(0, 1, 2))
    chosen = made[..., np.sort(np.argsort(-spread, kind="stable")[:MAPS])]
    low, high = chosen.min(axis=(0, 1, 2)), chosen.max(axis=(0, 1, 2))
    stretched: Maps = np.round(255 * (chosen - low) / np.where(high > low, high - low, 1)).astype(np.uint8)
    return stretched

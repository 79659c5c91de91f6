"""A network's probabilities of the classes, image by image, and the pixels of a few."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.vision.dataset import Pixels, Prepared

if TYPE_CHECKING:
    import keras


_BATCH = 256  # images whose features are read at a time


def probabilities_of(network: "keras.Model", data: Prepared, part: str) -> Probabilities:
    """Return a network's probabilities of a part, batch by batch: (images, classes)."""
    made = [network.predict_on_batch(pixels) for pixels, _ in data.dataset(part)]
    return np.concatenate(made).astype(np.float64)


def probabilities_on(features: Path, head: "keras.Model", part: str) -> Probabilities:
    """Return a head's probabilities of a part, from the folder of its base's features: (images, classes)."""
    held = np.load(features / f"{part}.npy", mmap_mode="r", allow_pickle=False)
    made = [head.predict_on_batch(held[begin : begin + _BATCH]) for begin in range(0, len(held), _BATCH)]
    return np.concatenate(made).astype(np.float64)


def picked(data: Prepared, part: str, positions: list[int]) -> Pixels:
    """Return the pixels of a few images of a part, by their positions: (images, height, width, channels)."""
    found: dict[int, Pixels] = {}
    begin = 0
    for batch, _ in data.dataset(part).as_numpy_iterator():
        found |= {at: batch[at - begin] for at in positions if begin <= at < begin + len(batch)}
        begin += len(batch)
    layout = data.layout
    return np.array([found[at] for at in positions], np.uint8).reshape(-1, layout.height, layout.width, layout.channels)

"""Features: what a base that stays as it is makes of each image, computed once for all heads."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from gristmill.vision import prepared
from gristmill.vision.models.transfer import Transfer
from gristmill.vision.prepared import Prepared

_BATCH = 256  # images


def features(*, model: Transfer, preprocess: Path, out: Path, files: Sequence[Path] = ()) -> dict[str, int]:
    """Write a base's features of all images.

    Writes `<part>.npy` of each part that has images: float32 (images, features), in the order of the index.

    Args:
        model: settings of the model; those of its head do not matter.
        preprocess: folder of the prepared images.
        out: folder to write to.
        files: the weights that the model names.

    Raises:
        RequestError: the base does not take such images, has no such layer, or the weights are not its own.
    """
    data = prepared.read(preprocess)
    base = model.located(files).featuriser(data.layout.shape)
    for part, images in data.layout.counts.items():
        if images:
            write_features(base, data, part, out)
    return {"features": base.output_shape[1], "images": sum(data.layout.counts.values())}


def write_features(base: keras.Model, data: Prepared, part: str, out: Path) -> None:
    """Write the features of a part batch by batch: they may be larger than the memory."""
    shape = (data.layout.counts[part], base.output_shape[1])
    made = np.lib.format.open_memmap(out / f"{part}.npy", "w+", np.float32, shape)
    for number, (pixels, _) in enumerate(data.dataset(part, _BATCH).as_numpy_iterator()):
        made[number * _BATCH :][: len(pixels)] = base.predict_on_batch(pixels.astype(np.float32))
    made.flush()

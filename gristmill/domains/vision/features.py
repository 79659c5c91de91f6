"""Features: what a base that stays as it is makes of each image, computed once for all heads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.models.transfer import Transfer

Features = npt.NDArray[np.float32]  # (images, features)

_BATCH = 256  # images
_CHUNK = 4096  # images at least, or what is left of a part: reading a base takes seconds


@dataclass
class _Stretch:
    """Some shards of a part, one after the other."""

    part: str
    shards: list[Path]
    images: int


def features(
    *, model: Transfer, preprocess: Path, out: Path, files: Sequence[Path] = (), chunks: Sequence[Path] = ()
) -> dict[str, int]:
    """Write a base's features of all images.

    Writes `<part>.npy` of each part that has images: float32 (images, features), in the order of the index.

    Args:
        model: settings of the model; those of its head do not matter.
        preprocess: folder of the prepared images.
        out: folder to write to.
        files: the weights that the model names.
        chunks: the folders that `chunk` filled, in their order, if others have made the features.

    Raises:
        RequestError: the base does not take such images, has no such layer, or the weights are not its own.
    """
    data = dataset.read(preprocess)
    stretches = _stretches(data)
    made: Sequence[Iterable[Features]]
    if chunks:
        whole = [np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False) for folder in chunks]
        width, made = whole[0].shape[1], [[part] for part in whole]
    else:
        base = model.located(files).featuriser(data.layout.shape)
        width, made = base.output_shape[1], [_shown(base, data, stretch) for stretch in stretches]
    for part, images in data.layout.counts.items():
        own = [batches for stretch, batches in zip(stretches, made, strict=True) if stretch.part == part]
        if images:
            _write(out / f"{part}.npy", (images, width), chain.from_iterable(own))
    return {"features": width, "images": sum(data.layout.counts.values())}


def chunks(*, model: Transfer, preprocess: Path, files: Sequence[Path] = ()) -> int:
    """Return in how many chunks the images can be shown to the base; arguments as of `features`."""
    return len(_stretches(dataset.read(preprocess)))


def chunk(*, model: Transfer, preprocess: Path, number: int, out: Path, files: Sequence[Path] = ()) -> dict[str, int]:
    """Write the features of one chunk of images, `features.npy`; arguments as of `features`."""
    data = dataset.read(preprocess)
    stretch = _stretches(data)[number]
    base = model.located(files).featuriser(data.layout.shape)
    _write(out / "features.npy", (stretch.images, base.output_shape[1]), _shown(base, data, stretch))
    return {"images": stretch.images}


def _stretches(data: Prepared) -> list[_Stretch]:
    """Return all images of all parts as stretches: what is shown together must not depend on who shows it."""
    found: list[_Stretch] = []
    for part, images in data.layout.counts.items():
        shards = data.shards(part)
        own: list[_Stretch] = []
        for shard, size in zip(shards, np.diff(dataset.shard_edges(images, len(shards))), strict=True):
            if not own or own[-1].images >= _CHUNK:
                own.append(_Stretch(part, [], 0))
            own[-1].shards.append(shard)
            own[-1].images += int(size)
        found += own
    return found


def _shown(base: keras.Model, data: Prepared, stretch: _Stretch) -> Iterator[Features]:
    for pixels, _ in data.batches(stretch.shards, _BATCH).as_numpy_iterator():
        yield base.predict_on_batch(pixels.astype(np.float32))


def _write(path: Path, shape: tuple[int, int], batches: Iterable[Features]) -> None:
    """Write features batch by batch: they may be larger than the memory."""
    made = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    begin = 0
    for batch in batches:
        made[begin : begin + len(batch)] = batch
        begin += len(batch)
    made.flush()

"""Features: outputs of a frozen base for each image, computed once for all heads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import keras
import numpy as np

from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Features, Prepared
from gristmill.domains.vision.models.frozen import Frozen
from gristmill.domains.vision.models.transfer import Transfer
from gristmill.training.deadline import check_deadlines

_BATCH = 256  # images
_MIN_IMAGES_PER_CHUNK = 4096  # loading a base takes seconds


@dataclass
class _ShardGroup:
    """Consecutive shards of a part, a chunk of the work."""

    part: str
    shards: list[Path]
    images: int


def features(
    *, model: Transfer | Frozen, preprocess: Path, out: Path, files: Sequence[Path] = (), chunks: Sequence[Path] = ()
) -> dict[str, int]:
    """Write a base's features of all images.

    Writes `<part>.npy` for each part that has images: float32 (images, features), in the order of the index. If
    `chunks` lists the folders that `chunk` filled, in order, their features are used.

    Raises:
        RequestError: the base does not accept the images, has no such layer, or the weights do not fit it.
    """
    data = dataset.read(preprocess)
    groups = _groups(data)
    made: Sequence[Iterable[Features]]
    if chunks:
        arrays = [np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False) for folder in chunks]
        width, made = arrays[0].shape[1], [[array] for array in arrays]
    else:
        base = model.located(files).featuriser(data.layout.shape)
        width, made = base.output_shape[1], [_compute(base, data, group) for group in groups]
    for part, images in data.layout.counts.items():
        of_part = [batches for group, batches in zip(groups, made, strict=True) if group.part == part]
        if images:
            _write(out / f"{part}.npy", (images, width), chain.from_iterable(of_part))
    return {"features": width, "images": sum(data.layout.counts.values())}


def chunks(*, model: Transfer | Frozen, preprocess: Path, files: Sequence[Path] = ()) -> int:
    """Return the number of chunks of the images."""
    return len(_groups(dataset.read(preprocess)))


def chunk(
    *, model: Transfer | Frozen, preprocess: Path, number: int, out: Path, files: Sequence[Path] = ()
) -> dict[str, int]:
    """Write the features of one chunk of images, `features.npy`."""
    data = dataset.read(preprocess)
    group = _groups(data)[number]
    base = model.located(files).featuriser(data.layout.shape)
    _write(out / "features.npy", (group.images, base.output_shape[1]), _compute(base, data, group))
    return {"images": group.images}


def _groups(data: Prepared) -> list[_ShardGroup]:
    """Return the shards of all parts in groups, so that batches are the same with and without chunks."""
    groups: list[_ShardGroup] = []
    for part, images in data.layout.counts.items():
        shards = data.shards(part)
        of_part: list[_ShardGroup] = []
        for shard, size in zip(shards, np.diff(dataset.shard_edges(images, len(shards))), strict=True):
            if not of_part or of_part[-1].images >= _MIN_IMAGES_PER_CHUNK:
                of_part.append(_ShardGroup(part, [], 0))
            of_part[-1].shards.append(shard)
            of_part[-1].images += int(size)
        groups += of_part
    return groups


def _compute(base: keras.Model, data: Prepared, group: _ShardGroup) -> Iterator[Features]:
    for pixels, _ in data.batches(group.shards, _BATCH).as_numpy_iterator():
        check_deadlines()
        yield base.predict_on_batch(pixels.astype(np.float32))


def _write(path: Path, shape: tuple[int, int], batches: Iterable[Features]) -> None:
    """Write features batch by batch, since they may be larger than the memory."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    begin = 0
    for batch in batches:
        array[begin : begin + len(batch)] = batch
        begin += len(batch)
    array.flush()

"""Features: outputs of a frozen base for each image, computed once for all heads."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Features, Prepared
from gristmill.domains.vision.models.transfer import Frozen, Transfer
from gristmill.domains.vision.pretrained import is_enlarged
from gristmill.training.deadline import check_deadlines

logger = logging.getLogger(__name__)

_BATCH = 256  # images
_MIN_IMAGES_PER_CHUNK = 4096  # loading a base takes seconds


class _ShardGroup(NamedTuple):
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
    batches: Sequence[Iterable[Features]]  # of each group
    if chunks:
        arrays = [np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False) for folder in chunks]
        width, batches = arrays[0].shape[1], [[array] for array in arrays]
    else:
        if is_enlarged(model.base, data.layout.shape):
            logger.warning(
                "%s sees images of %d x %d pixels enlarged, and little in them: a small network may see more",
                model.base,
                data.layout.height,
                data.layout.width,
            )
        base = model.located(files).featuriser(data.layout.shape)
        width, batches = base.output_shape[1], [_compute(base, data, group) for group in groups]
    for part, images in data.layout.counts.items():
        of_part = [features for group, features in zip(groups, batches, strict=True) if group.part == part]
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
        begin, count = 0, 0
        for end, size in enumerate(np.diff(dataset.shard_edges(images, len(shards))).tolist(), start=1):
            count += size
            if count >= _MIN_IMAGES_PER_CHUNK or end == len(shards):
                groups.append(_ShardGroup(part, shards[begin:end], count))
                begin, count = end, 0
    return groups


def _compute(base: keras.Model, data: Prepared, group: _ShardGroup) -> Iterator[Features]:
    for pixels, _ in data.batches(group.shards, _BATCH).as_numpy_iterator():
        check_deadlines()
        yield base.predict_on_batch(pixels)


def _write(path: Path, shape: tuple[int, int], batches: Iterable[Features]) -> None:
    """Write features batch by batch, since they may be larger than the memory."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    begin = 0
    for batch in batches:
        array[begin : begin + len(batch)] = batch
        begin += len(batch)
    array.flush()

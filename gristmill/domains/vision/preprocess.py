"""Preprocess: photos split into parts, decoded, resized and written as shards of one form (`prepared.py`)."""

import io
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from gristmill.domains.common.classification.duplicates import find_duplicates
from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.split import mix_classes, split
from gristmill.domains.vision import decode, shards
from gristmill.domains.vision.dataset import Layout, shard_edges, write_layout
from gristmill.domains.vision.settings import Preprocess
from gristmill.errors import DataError
from gristmill.util.files import link_or_copy
from gristmill.util.table_io import read_document, read_table, write_document, write_table

SHARD_BYTES = 32 << 20  # of pixels
_QUALITY = 95  # of JPEG, of 100
_PLACE = ["shard", "offset", "size"]  # where ingest wrote a photo


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path, chunks: Sequence[Path] = ()) -> dict[str, int]:
    """Split ingested photos and write them as pixels of one form.

    Writes
    - `<part>-*-of-*.tfrecord`: examples of `image` (pixels row by row, or a JPEG) and `label` (position of the class).
      Any stretch of a part holds the classes in about their shares.
    - `index.parquet`: ingest's rows in the order of the shards, with the part of each.
    - `layout.json`: form, classes and counts.
    - `summary.json`: `find_duplicates`, which parts share photos whose bytes are equal (`repeats.py`).

    Shards are made by threads: Pillow and TensorFlow let go of Python's lock while they decode, resize and write.

    Args:
        preprocess: size, form and parts.
        ingest: folder of the ingested photos.
        out: folder to write to.
        chunks: the folders that `chunk` filled, in their order, if others have made the shards.

    Returns:
        Counts of images in each part, of shards, and of images of a part that are in another too, if there are any.

    Raises:
        DataError: a class is left without an image to train on.
        RequestError: parts that leave nothing to train or to test on.
    """
    ordered, layout = _plan(preprocess, ingest)
    planned = list(_planned(ordered, layout))
    if chunks:
        for folder, (name, _) in zip(chunks, planned, strict=True):
            link_or_copy(folder / name, out / name)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            written = [pool.submit(shards.write, out / name, _examples(rows, layout, ingest)) for name, rows in planned]
            for shard in written:
                shard.result()
    write_table(out / "index.parquet", ordered.drop(columns=["sha256", *_PLACE]))
    write_layout(layout, out)
    shared = find_duplicates(ordered, ordered["sha256"])
    write_document(out / "summary.json", {"repeated": shared})
    counts = {f"{part}_images": count for part, count in layout.counts.items()} | {"shards": len(planned)}
    return counts | {f"{found['part']}_images_also_in_{found['also_in']}": found["count"] for found in shared}


def chunks(*, preprocess: Preprocess, ingest: Path) -> int:
    """Return how many shards there are to write; arguments as of `preprocess`."""
    return len(list(_planned(*_plan(preprocess, ingest))))


def chunk(*, preprocess: Preprocess, ingest: Path, number: int, out: Path) -> dict[str, int]:
    """Write one of the shards, and nothing else; arguments as of `preprocess`."""
    ordered, layout = _plan(preprocess, ingest)
    name, rows = list(_planned(ordered, layout))[number]
    shards.write(out / name, _examples(rows, layout, ingest))
    return {"images": len(rows)}


def _plan(preprocess: Preprocess, ingest: Path) -> tuple[pd.DataFrame, Layout]:
    """Return ingest's rows in the order in which they are written, with the part of each, and what they become."""
    index, classes = read_table(ingest / "index.parquet"), read_document(ingest / "summary.json")["classes"]
    ordered = _ordered(index.assign(part=split(index, classes, preprocess)), preprocess.seed)
    layout = Layout(
        *preprocess.size,
        channels=preprocess.channels,
        encoding=preprocess.encoding,
        fit=preprocess.fit,
        classes=classes,
        counts={part: int((ordered["part"] == part).sum()) for part in PARTS},
    )
    return ordered, layout


def _ordered(index: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the index part by part, each in an order that mixes the classes."""
    parts = [index[index["part"] == part] for part in PARTS]
    orders = [mix_classes(rows["label"].to_numpy(np.int64), [seed, number]) for number, rows in enumerate(parts)]
    return pd.concat([rows.iloc[order] for rows, order in zip(parts, orders, strict=True)], ignore_index=True)


def _planned(ordered: pd.DataFrame, layout: Layout) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and rows of each shard."""
    for part, images_in_part in layout.counts.items():
        count = math.ceil(images_in_part * layout.bytes_per_image / SHARD_BYTES)
        rows = ordered[ordered["part"] == part]
        for number, (begin, end) in enumerate(pairwise(shard_edges(len(rows), count))):
            yield f"{part}-{number:05d}-of-{count:05d}.tfrecord", rows.iloc[begin:end]


def _examples(rows: pd.DataFrame, layout: Layout, ingest: Path) -> Iterator[bytes]:
    """Yield the examples of a shard's images, decoded one by one."""
    for name, label, *place in rows[["id", "label", *_PLACE]].itertuples(index=False):
        photo = shards.bytes_of(shards.read(ingest, shards.ShardPosition(*place)), "image")
        try:
            pixels = decode.decode_photo(photo, layout)
        except DataError as error:
            raise DataError(f"photo {name!r}: {error}. Mend it or leave it out.") from None
        yield shards.example(image=_encoded(pixels, layout.encoding), label=int(label))


def _encoded(pixels: decode.Pixels, encoding: str) -> bytes:
    if encoding == "raw":
        return pixels.tobytes()
    target = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()

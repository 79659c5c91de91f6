"""Preprocess: split the photos, decode and resize them, and write shards of one size (`dataset.py`)."""

import io
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from gristmill.domains.common.classification.duplicates import describe_copies, examples_together, with_others
from gristmill.domains.common.classification.labelled import PARTS, TOGETHER
from gristmill.domains.common.classification.split import mix_classes, split
from gristmill.domains.vision import decode, shards
from gristmill.domains.vision.dataset import Layout, Pixels, shard_edges, write_layout
from gristmill.domains.vision.settings import Preprocess
from gristmill.util.files import link_or_copy
from gristmill.util.table_io import read_document, read_table, write_document, write_table

SHARD_BYTES = 32 << 20  # of pixels
_OF_INGEST = ["sha256", "picture", *decode.POSITION]  # columns that no later stage reads


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path, chunks: Sequence[Path] = ()) -> dict[str, int]:
    """Split ingested photos and write them as pixels of one size.

    Writes
    - `<part>-*-of-*.tfrecord`: examples of `image` (pixels row by row, or a JPEG) and `label` (position of the class).
      Every section of a part has about the same shares of the classes.
    - `index.parquet`: the rows of ingest in the order of the shards, with the part of each and, if several are kept
      together, the number of their group.
    - `layout.json`: size, encoding, classes and counts.
    - `summary.json`: exact and near copies in one part, and in two, if the source's own parts share them
      (`duplicates.py`).

    Threads write the shards: Pillow and TensorFlow release Python's lock while they decode, resize and write. If
    `chunks` lists the folders that `chunk` filled, in order, their shards are used.

    Raises:
        DataError: a class is left without an image to train on.
        RequestError: the parts leave nothing to train or to test on, or there is no column `group`.
    """
    # 1. Write the shards, or link those of the chunks.
    index, layout = _plan(preprocess, ingest)
    planned = _plan_shards(index, layout)
    if chunks:
        for folder, (name, _) in zip(chunks, planned, strict=True):
            link_or_copy(folder / name, out / name)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            written = [pool.submit(_write_shard, out / name, rows, layout, ingest) for name, rows in planned]
            for shard in written:
                shard.result()

    # 2. Describe them.
    write_table(out / "index.parquet", index.drop(columns=_OF_INGEST))
    write_layout(layout, out)
    summary, copies = describe_copies(index, index["picture"], preprocess.group, "images")
    write_document(out / "summary.json", summary)
    return {f"{part}_images": count for part, count in layout.counts.items()} | {"shards": len(planned)} | copies


def chunks(*, preprocess: Preprocess, ingest: Path) -> int:
    """Return the number of shards, each of which is a chunk."""
    return len(_plan_shards(*_plan(preprocess, ingest)))


def chunk(*, preprocess: Preprocess, ingest: Path, number: int, out: Path) -> dict[str, int]:
    """Write one shard."""
    index, layout = _plan(preprocess, ingest)
    name, rows = _plan_shards(index, layout)[number]
    _write_shard(out / name, rows, layout, ingest)
    return {"images": len(rows)}


def _plan(preprocess: Preprocess, ingest: Path) -> tuple[pd.DataFrame, Layout]:
    """Return the rows of ingest, part by part and each in an order that mixes the classes, and the layout."""
    index = read_table(ingest / "index.parquet")
    summary = read_document(ingest / "summary.json")
    classes, rare = summary["classes"], summary.get("rare_classes", [])
    groups = examples_together(index.drop(columns=_OF_INGEST), index["picture"], preprocess.group)
    parts = split(index, classes, preprocess.validation, preprocess.test, preprocess.seed, groups, rare=rare)
    if with_others(groups).any():
        index[TOGETHER] = groups
    ordered = []
    for number, part in enumerate(PARTS):
        rows = index[parts == part].assign(part=part)
        ordered.append(rows.iloc[mix_classes(rows["label"].to_numpy(np.int64), [preprocess.seed, number])])
    layout = Layout(
        *preprocess.size,
        channels=preprocess.channels,
        encoding=preprocess.encoding,
        fit=preprocess.fit,
        classes=classes,
        counts={part: len(rows) for part, rows in zip(PARTS, ordered, strict=True)},
    )
    return pd.concat(ordered, ignore_index=True), layout


def _plan_shards(index: pd.DataFrame, layout: Layout) -> list[tuple[str, pd.DataFrame]]:
    """Return name and rows of each shard."""
    planned = []
    for part, images in layout.counts.items():
        count = math.ceil(images * layout.bytes_per_image / SHARD_BYTES)
        rows = index[index["part"] == part]
        for number, (begin, end) in enumerate(pairwise(shard_edges(images, count))):
            planned.append((f"{part}-{number:05d}-of-{count:05d}.tfrecord", rows.iloc[begin:end]))
    return planned


def _write_shard(path: Path, rows: pd.DataFrame, layout: Layout, ingest: Path) -> None:
    """Decode the photos of a shard one by one, and write them."""

    def encode(pixels: Pixels) -> bytes:
        if layout.encoding == "raw":
            return pixels.tobytes()
        target = io.BytesIO()
        image = Image.fromarray(pixels.squeeze(-1) if layout.channels == 1 else pixels)
        image.save(target, "JPEG", quality=95)
        return target.getvalue()

    photos = zip(rows["label"], decode.decode_ingested(ingest, rows, layout), strict=True)
    shards.write_shard(path, (shards.serialise(image=encode(pixels), label=int(label)) for label, pixels in photos))

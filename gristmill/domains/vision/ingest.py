"""Ingest: a source's photos as they are, in shards; those that are unreadable are counted and left out."""

import hashlib
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.data_schema.checks import Violation, bound_violations, check_violations, class_violations
from gristmill.domains.common.classification.classes import check_classes, count_by_class, quartiles
from gristmill.domains.vision import decode, shards
from gristmill.domains.vision.decode import Header
from gristmill.domains.vision.settings import Ingest, Schema
from gristmill.errors import DataError, SourceChanged, short_repr
from gristmill.sources import archives
from gristmill.sources.images.folder import Folder
from gristmill.sources.photo import ImageSource, Photo
from gristmill.util.table_io import read_document, write_document, write_table

SHARD_BYTES = 64 << 20
RENAMED = "source_"  # what the source's name of a column begins with where ingest writes one of that name

_CHUNK = 8192  # photos
_AHEAD = 4  # photos in memory for each thread
_NAMED = 3  # photos left out that a message names


def ingest(
    *,
    source: ImageSource,
    ingest: Ingest,
    out: Path,
    paths: tuple[Path, ...] = (),
    schema: Schema | None = None,
    chunks: Sequence[Path] = (),
) -> dict[str, int]:
    """Check the photos of a source one by one, and write them with their labels.

    Writes
    - `photos-*.tfrecord`: examples of `id`, `image` (the bytes as they were found) and `label` (name of the class).
    - `index.parquet`, a row a photo in the order of the shards: `id`, `label` (position of the class), `part` (of the
      source, or missing), `width` and `height` (upright), `format`, `sha256` (of the bytes), where it lies (`shard`,
      `offset`, `size`), and the source's metadata, in which a column of one of these names is called `source_id`, ….
    - `summary.json`: classes, counts, what was left out and why, and how large the photos are.

    Args:
        source: yields the photos.
        ingest: what is refused.
        out: folder to write to.
        paths: the located files, if the source reads files.
        schema: what the photos that can be used must be.
        chunks: the folders that `chunk` filled, in their order, if others have looked at the photos.

    Returns:
        Counts of photos, classes, and photos left out.

    Raises:
        DataError: too many photos cannot be used, or what is left breaks the schema or is nothing to learn from.
        SourceChanged: a photo is not the one that others have looked at.
    """
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with shards.filling(out, SHARD_BYTES) as written:
        photos = source.photos(paths)
        for photo, header in _told(photos, chunks) if chunks else _checked(photos, ingest.max_pixels):
            if isinstance(header, str):
                skipped.append({"id": photo.id, "reason": header})
                continue
            record = shards.example(id=photo.id.encode(), image=photo.encoded, label=photo.label.encode())
            rows.append(_row(photo, header, written.add(record)))
    _refuse_many_unusable(skipped, len(rows), ingest.corrupt)
    classes = source.class_names(paths) or sorted({row["label"] for row in rows})
    _refuse_strange(rows, classes)
    index = pd.DataFrame(rows)
    index["label"] = index["label"].map({name: label for label, name in enumerate(classes)})
    if schema:
        check_violations(_violations(index, count_by_class(index, classes), schema), schema)
    check_classes(index, classes, "photo", " that can be used")
    write_table(out / "index.parquet", index)
    write_document(out / "summary.json", _summary(index, classes, skipped))
    counts = {"photos": len(rows), "classes": len(classes), "skipped": len(skipped)}
    return {name: count for name, count in counts.items() if count}


def chunks(*, source: ImageSource, ingest: Ingest, paths: tuple[Path, ...] = (), schema: Schema | None = None) -> int:
    """Return in how many chunks the photos can be looked at, which is most of the work: those of a folder in several.

    Arguments as of `ingest`.
    """
    packed = any(path.name.lower().endswith(archives.SUFFIXES) for path in paths)
    return math.ceil(len(paths) / _CHUNK) if isinstance(source, Folder) and not packed else 1


def chunk(
    *,
    source: Folder,
    ingest: Ingest,
    number: int,
    out: Path,
    paths: tuple[Path, ...] = (),
    schema: Schema | None = None,
) -> dict[str, int]:
    """Look at one chunk of photos; arguments as of `ingest`.

    Writes `looked.json`, an object a photo: the `sha256` of its bytes, and `width`, `height` and `format`, or the
    `reason` why it is left out.
    """
    photos = source.photos(paths, slice(number * _CHUNK, (number + 1) * _CHUNK))
    looked = [
        {"sha256": _sha256(photo), **({"reason": header} if isinstance(header, str) else vars(header))}
        for photo, header in _checked(photos, ingest.max_pixels)
    ]
    write_document(out / "looked.json", looked)
    return {"photos": len(looked)}


def _told(photos: Iterable[Photo], chunks: Iterable[Path]) -> Iterator[tuple[Photo, Header | str]]:
    """Yield each photo with what those said who have looked at it."""
    looked = chain.from_iterable(read_document(folder / "looked.json") for folder in chunks)
    for photo, seen in zip(photos, looked, strict=True):
        if seen.pop("sha256") != _sha256(photo):
            raise SourceChanged(f"photo {photo.id!r}: changed while it was read. Run again once nothing writes to it.")
        yield photo, seen["reason"] if "reason" in seen else Header(**seen)


def _sha256(photo: Photo) -> str:
    return hashlib.sha256(photo.encoded).hexdigest()


def _checked(photos: Iterable[Photo], max_pixels: int) -> Iterator[tuple[Photo, Header | str]]:
    """Yield each photo with its header, or with why it is left out, in their order; few are in memory at a time."""
    threads = os.cpu_count() or 1
    waiting: deque[tuple[Photo, Future[Header | str]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for photo in photos:
            waiting.append((photo, pool.submit(_look_at, photo, max_pixels)))
            if len(waiting) == _AHEAD * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _look_at(photo: Photo, max_pixels: int) -> Header | str:
    """Return a photo's header, or why it is left out."""
    try:
        return decode.check_photo(photo.encoded, max_pixels)
    except DataError as error:
        return str(error)


def _row(photo: Photo, header: Header, place: shards.ShardPosition) -> dict[str, Any]:
    named = {"id": photo.id, "label": photo.label, "part": photo.part}
    own = {**named, **vars(header), "sha256": _sha256(photo), **vars(place)}
    metadata = {f"{RENAMED}{name}" if name in own else name: value for name, value in photo.metadata.items()}
    if len(metadata) != len(photo.metadata):
        name = next(name for name in photo.metadata if name in own and f"{RENAMED}{name}" in photo.metadata)
        raise DataError(
            f"photo {photo.id!r}: the source's metadata has the columns {name!r}, which ingest writes itself and would "
            f"call {RENAMED + name!r}, and {RENAMED + name!r}. Rename one."
        )
    return own | metadata


def _refuse_many_unusable(skipped: list[dict[str, str]], kept: int, most: float) -> None:
    if not kept and not skipped:
        raise DataError("the source holds no photos. Expected JPEG, PNG, WebP, BMP or GIF files.")
    count = kept + len(skipped)
    if kept and len(skipped) <= most * count:
        return
    which = f"{len(skipped)} of {count} photos cannot be used, more than ingest.corrupt = {most:g} allows"
    named = "; ".join(f"{photo['id']}: {photo['reason']}" for photo in skipped[:_NAMED])
    raise DataError(
        f"{which if kept else f'none of {count} photos can be used'}: {named}{'; …' * (len(skipped) > _NAMED)}. "
        "Mend or remove them, or set ingest.corrupt higher."
    )


def _refuse_strange(rows: list[dict[str, Any]], classes: list[str]) -> None:
    """Refuse a label that the source does not name among its classes."""
    if strange := sorted({row["label"] for row in rows} - set(classes)):
        raise DataError(
            f"label {short_repr(strange[0])} is none of the source's {len(classes)} classes. Mend the source."
        )


def _violations(index: pd.DataFrame, counts: dict[str, int], schema: Schema) -> Iterator[Violation]:
    def where(row: int) -> str:
        return f"photo {index['id'].iloc[row]!r}"

    yield from bound_violations("width", index["width"], schema.width, where)
    yield from bound_violations("height", index["height"], schema.height, where)
    yield from class_violations(counts, schema.classes)


def _summary(index: pd.DataFrame, classes: list[str], skipped: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "classes": classes,
        "counts": count_by_class(index, classes),
        "parts": {str(part): count_by_class(rows, classes) for part, rows in index.groupby("part")},  # of the source
        "formats": index["format"].value_counts().to_dict(),
        "sizes": {column: quartiles(index[column]) for column in ("width", "height", "size")},
        "skipped": skipped,
    }

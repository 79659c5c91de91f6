"""Ingest: the photos of a source, unchanged, in shards; unreadable photos are counted and left out."""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.data_schema.checks import Violation, bound_violations, check_violations, class_violations
from gristmill.domains.common.classification.labelled import count_by_class, quartiles, select_classes
from gristmill.domains.vision import decode, near_copies, shards
from gristmill.domains.vision.decode import Header
from gristmill.domains.vision.settings import Ingest, Schema
from gristmill.errors import DataError, count_of, short_repr
from gristmill.sources.photo import ImageSource, Photo
from gristmill.util.table_io import write_document, write_table

logger = logging.getLogger(__name__)

SHARD_BYTES = 64 << 20
PREFIX = "source_"  # prefix of source metadata columns whose names ingest uses itself

_MAX_PHOTOS_LISTED = 3  # in a message


def ingest(
    *, source: ImageSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Check the photos of a source one by one, and write them with their labels.

    Writes
    - `photos-*.tfrecord`: examples of `id`, `image` (the original bytes) and `label` (name of the class).
    - `index.parquet`, one row per photo in the order of the shards: `id`, `label` (position of the class), `part` (of
      the source, or missing), `width` and `height` (upright), `format`, `sha256` (of the bytes, or of an array),
      `picture` (its number, equal for exact and near copies: `near_copies.py`), position (`shard`, `offset`, `size`),
      and the source's metadata. Metadata with one of these names gets the prefix `source_`.
    - `summary.json`: classes, counts, rare classes, photos left out with reasons, and quartiles of the sizes.

    Raises:
        DataError: too many photos are unusable, or the others break the schema or cannot train a classifier.
    """
    # 1. Write the photos that can be used.
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    faint: list[str] = []
    with shards.open_shards(out, SHARD_BYTES) as writer:
        for photo, header in _check_photos(source.photos(paths), ingest.max_pixels):
            if isinstance(header, str):
                skipped.append({"id": photo.id, "reason": header})
                continue
            record = shards.serialise(id=photo.id.encode(), image=photo.encoded, label=photo.label.encode())
            rows.append(_index_row(photo, header, writer.add(record)))
            faint += [photo.id] * header.faint

    # 2. Refuse too many unusable photos, and warn of others.
    _check_usable(skipped, len(rows), ingest.corrupt)
    if skipped:
        first = "{id}: {reason}".format_map(skipped[0])
        count = len(skipped) + len(rows)
        logger.warning("%d of %d photos cannot be used and are left out. The first: %s", len(skipped), count, first)
    if faint:
        logger.warning(
            "%s of 16 bits with all values below %d, which are nearly black, such as %s. If a camera of 10 or 12 bits "
            "made them, multiply the values by 64 or 16, and save them again.",
            *(count_of(len(faint), "photos"), decode.FAINT, faint[0]),
        )

    # 3. Number the classes and the pictures, and check them.
    labels = {row["label"] for row in rows}
    classes = source.class_names(paths) or sorted(labels)
    if unknown := sorted(labels - set(classes)):
        raise DataError(
            f"label {short_repr(unknown[0])} is none of the source's {len(classes)} classes. Fix the source."
        )
    index = pd.DataFrame(rows)
    index["picture"] = near_copies.number_pictures(index["sha256"].tolist(), index["picture"].tolist())
    index["label"] = index["label"].map({name: label for label, name in enumerate(classes)})
    used = select_classes(index, classes, ingest, "photo", " that can be used")
    index = used.index.reset_index(drop=True)
    if schema:
        check_violations(_find_violations(index, count_by_class(index, used.classes), schema), schema)

    # 4. Write index and summary.
    summary = used.summary() | {
        "formats": index["format"].value_counts().to_dict(),
        "sizes": {column: quartiles(index[column]) for column in ("width", "height", "size")},
        "skipped": skipped,
    }
    write_table(out / "index.parquet", index)
    write_document(out / "summary.json", summary)
    copies = int(index["picture"].duplicated().sum())
    totals = {"photos": len(index), "classes": len(used.classes), "exact or near duplicates": copies}
    totals |= {"skipped": len(skipped), "of_dropped_classes": len(rows) - len(index)}
    return {name: count for name, count in totals.items() if count}


def _check_photos(photos: Iterable[Photo], max_pixels: int) -> Iterator[tuple[Photo, Header | str]]:
    """Yield each photo, in order, with its header, or with the reason why it is left out."""

    def check(photo: Photo) -> Header | str:
        try:
            return decode.check_photo(photo.encoded, max_pixels)
        except DataError as error:
            return str(error)

    threads = os.cpu_count() or 1
    waiting: deque[tuple[Photo, Future[Header | str]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for photo in photos:
            waiting.append((photo, pool.submit(check, photo)))
            if len(waiting) == 4 * threads:  # photos in memory
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _index_row(photo: Photo, header: Header, position: shards.ShardPosition) -> dict[str, Any]:
    columns = {
        "id": photo.id,
        "label": photo.label,
        "part": photo.part,
        "width": header.width,
        "height": header.height,
        "format": header.format,
        "sha256": photo.sha256 or hashlib.sha256(photo.encoded).hexdigest(),
        "picture": header.thumbnail,
        **vars(position),
    }
    for name in photo.metadata:
        prefixed = PREFIX + name
        if name in columns and prefixed in photo.metadata:
            raise DataError(
                f"photo {photo.id!r}: the source's metadata has the columns {name!r}, which ingest writes itself and "
                f"would rename to {prefixed!r}, and {prefixed!r}. Rename one."
            )
    return columns | {PREFIX + name if name in columns else name: value for name, value in photo.metadata.items()}


def _check_usable(skipped: list[dict[str, str]], kept: int, max_share: float) -> None:
    """Raise a `DataError` if more than a share of all photos were skipped; each has its `id` and a `reason`."""
    if not kept and not skipped:
        raise DataError("the source holds no photos. Expected JPEG, PNG, WebP, TIFF, BMP or GIF files.")
    count = kept + len(skipped)
    if kept and len(skipped) <= max_share * count:
        return
    some = f"{len(skipped)} of {count} photos cannot be used, more than ingest.corrupt = {max_share:g} allows"
    remedy = ", or set ingest.corrupt higher" if kept else ""
    listed = "; ".join(f"{photo['id']}: {photo['reason']}" for photo in skipped[:_MAX_PHOTOS_LISTED])
    raise DataError(
        f"{some if kept else f'none of {count} photos can be used'}: {listed}"
        f"{'; …' * (len(skipped) > _MAX_PHOTOS_LISTED)}. Fix or remove them{remedy}."
    )


def _find_violations(index: pd.DataFrame, counts: dict[str, int], schema: Schema) -> Iterator[Violation]:
    def where(row: int) -> str:
        return f"photo {index['id'].iloc[row]!r}"

    yield from bound_violations("width", index["width"], schema.width, where)
    yield from bound_violations("height", index["height"], schema.height, where)
    yield from class_violations(counts, schema.classes)

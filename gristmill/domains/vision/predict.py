"""Predict: what photos show, by an exported bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.vision import decode
from gristmill.domains.vision.decode import Pixels
from gristmill.domains.vision.settings import Ingest, Preprocess
from gristmill.errors import DataError
from gristmill.export import bundle
from gristmill.settings.base import Settings
from gristmill.sources.images.folder import PHOTOS
from gristmill.util.table_io import read_document, read_table

SUFFIXES = PHOTOS  # of the files that count in a folder

_BATCH = 64  # photos in memory at a time


@dataclass(frozen=True)
class PhotoShape:
    """What the exported model takes."""

    height: int
    width: int
    channels: int
    fit: str


def predict(
    *,
    source: Settings,
    ingest: Ingest,
    preprocess: Preprocess,
    paths: tuple[Path, ...],
    export: Path,
    scratch: Path,
    ingested: Path | None = None,
) -> pd.DataFrame:
    """Return one row a file: `file`, `label`, `probability` of that label, and `p_<class>` of each class.

    Args:
        source: not used, for a photo's form is in the bundle; so are `preprocess` and `scratch`.
        ingest: how many pixels a photo may have.
        preprocess: see `source`.
        paths: image files.
        export: folder of the verified bundle.
        scratch: see `source`.
        ingested: folder of photos that are ingested already, in place of files.

    Raises:
        DataError: a file that is no sound image.
    """
    signature: dict[str, Any] = read_document(export / "signature.json")
    height, width = signature["size"]
    form = PhotoShape(height, width, signature["channels"], signature["fit"])
    model = bundle.load(export, signature["formats"][0])
    names = [str(path) for path in paths]
    photos: Iterator[Pixels] = (read(path, form, ingest.max_pixels) for path in paths)
    if ingested is not None:
        index = read_table(ingested / "index.parquet")
        names, photos = index["id"].tolist(), stored(ingested, index, form)
    made = [model(np.stack(batch)) for _ in range(0, len(names), _BATCH) if (batch := [*islice(photos, _BATCH)])]
    return as_rows(names, np.concatenate(made), signature["classes"])


def stored(ingested: Path, index: pd.DataFrame, form: PhotoShape) -> Iterator[Pixels]:
    """Yield the pixels of ingested photos in the form that the model takes."""
    from gristmill.domains.vision import shards  # late: without ingested photos TensorFlow's records are not needed

    for shard, offset, size in index[["shard", "offset", "size"]].itertuples(index=False):
        record = shards.read(ingested, shards.ShardPosition(shard, offset, size))
        yield decode.decode_photo(shards.bytes_of(record, "image"), form)


def read(path: Path, form: PhotoShape, max_pixels: int) -> Pixels:
    """Return the pixels of an image file in the form that the model takes."""
    try:
        encoded = path.read_bytes()
        decode.check_photo(encoded, max_pixels)
        return decode.decode_photo(encoded, form)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Mend its permissions, or leave it out.") from None
    except DataError as error:
        raise DataError(f"{path}: {error}. Mend it or leave it out.") from None


def as_rows(names: Sequence[str], probabilities: Probabilities, classes: list[str]) -> pd.DataFrame:
    """Return one row a file."""
    columns: dict[str, Any] = {
        "file": names,
        "label": np.array(classes, object)[probabilities.argmax(axis=1)],
        "probability": probabilities.max(axis=1),
    }
    return pd.DataFrame(columns | {f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)})

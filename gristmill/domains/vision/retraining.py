"""What a retraining asks of photos: which are new, how the champion fares on them, and who errs least."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.retraining import ClassifierRetraining, NewExamples
from gristmill.domains.vision import decode
from gristmill.domains.vision.dataset import Pixels
from gristmill.domains.vision.predict import PhotoShape
from gristmill.errors import DataError
from gristmill.export import bundle
from gristmill.retraining.drift import number_drift
from gristmill.runs.retraining_record import InputDrift
from gristmill.util.table_io import read_document

_BATCH = 64  # photos in memory at a time
_LOOKED_AT = 1_000  # photos whose brightness is compared at most, taken evenly
_PLACE = ["shard", "offset", "size"]  # where ingest wrote a photo


def _judged(export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
    """Return the probabilities that a champion's bundle gives of ingested photos, shown as `predict` shows them.

    They are in its own size, which need not be the challenger's.
    """
    signature = read_document(export / "signature.json")
    model = bundle.load(export, signature["formats"][0])
    return np.concatenate([model(pixels) for pixels in _shown(ingest, rows, _form(signature))]).astype(np.float64)


def _looks(fresh: NewExamples) -> list[InputDrift]:
    """Compare the brightness of photos with that of the champion's test part."""
    form = _form(read_document(fresh.champion["export"] / "signature.json"))
    new, known = (
        _brightness(folder, rows, form)
        for folder, rows in ((fresh.now.folder, fresh.rows), (fresh.known.folder, fresh.known.rows))
    )
    return [number_drift("brightness", new, known)]


def _brightness(ingest: Path, rows: pd.DataFrame, form: PhotoShape) -> npt.NDArray[np.float64]:
    """Return the mean of all pixels of each photo, 0 to 255."""
    some = rows.iloc[:: -(-len(rows) // _LOOKED_AT)]
    return np.concatenate([pixels.mean(axis=(1, 2, 3)) for pixels in _shown(ingest, some, form)])


def _shown(ingest: Path, rows: pd.DataFrame, form: PhotoShape) -> Iterator[Pixels]:
    """Yield the pixels of ingested photos as a bundle takes them, batch by batch: (photos, height, width, channels)."""
    for begin in range(0, len(rows), _BATCH):
        batch = rows[["id", *_PLACE]].iloc[begin : begin + _BATCH]
        yield np.stack([_pixels(ingest, name, place, form) for name, *place in batch.itertuples(index=False)])


def _pixels(ingest: Path, name: str, place: Sequence[int], form: PhotoShape) -> Pixels:
    from gristmill.domains.vision import shards  # late: without a new photo TensorFlow is not needed

    try:
        return decode.decode_photo(shards.bytes_of(shards.read(ingest, shards.ShardPosition(*place)), "image"), form)
    except DataError as error:
        raise DataError(f"photo {name!r}: {error}. Mend it or leave it out.") from None


def _form(signature: Mapping[str, Any]) -> PhotoShape:
    height, width = signature["size"]
    return PhotoShape(height, width, signature["channels"], signature["fit"])


PHOTOS = ClassifierRetraining("index.parquet", "sha256", _judged, _looks)
news, lost, drift = PHOTOS.news, PHOTOS.lost, PHOTOS.drift
judgeable, contest = PHOTOS.judgeable, PHOTOS.contest

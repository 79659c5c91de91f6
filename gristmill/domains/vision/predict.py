"""Predict: the classes of photos, by an exported bundle."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import Probabilities, predicted_classes
from gristmill.domains.vision.dataset import Layout, Pixels
from gristmill.domains.vision.decode import check_photo, decode_ingested, decode_photo
from gristmill.domains.vision.settings import Ingest
from gristmill.errors import DataError
from gristmill.export import bundle
from gristmill.sources.images.folder import PHOTOS
from gristmill.util.table_io import read_document, read_table

SUFFIXES = PHOTOS  # of the files to predict in a folder

_BATCH = 64  # photos in memory at a time


def predict(*, ingest: Ingest, paths: tuple[Path, ...], export: Path, ingested: Path | None = None) -> pd.DataFrame:
    """Return one row per file: `file`, `predicted`, `probability` of that class, `set`, and `p_<class>` of each class.

    Photos come from `paths`, or from the ingest artifact `ingested`.

    Raises:
        DataError: a file is not an image, or is broken.
    """
    layout = exported_layout(export)
    photos: Iterator[Pixels]
    if ingested is None:
        names = [str(path) for path in paths]
        photos = (_read(path, layout, ingest.max_pixels) for path in paths)
    else:
        index = read_table(ingested / "index.parquet")
        names, photos = index["id"].tolist(), decode_ingested(ingested, index, layout)
    return predicted_classes({"file": names}, classify(export, photos), layout.classes, Decision.read(export))


def exported_layout(export: Path) -> Layout:
    """Return the layout of the images that an exported model takes."""
    signature = read_document(export / "signature.json")
    height, width = signature["size"]
    return Layout(height, width, signature["channels"], "raw", signature["fit"], signature["classes"], counts={})


def classify(export: Path, photos: Iterator[Pixels]) -> Probabilities:
    """Return the probabilities of photos, one by one in the model's layout, by a bundle: (photos, classes)."""
    model, probabilities = bundle.load(export), []
    while batch := list(islice(photos, _BATCH)):
        probabilities.append(model(np.stack(batch)))
    return np.concatenate(probabilities)


def _read(path: Path, layout: Layout, max_pixels: int) -> Pixels:
    try:
        encoded = path.read_bytes()
        check_photo(encoded, max_pixels)
        return decode_photo(encoded, layout)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Fix its permissions, or leave it out.") from None
    except DataError as error:
        raise DataError(f"{path}: {error}. Fix it or leave it out.") from None

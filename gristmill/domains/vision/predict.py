"""Predict: the classes of photos, by an exported bundle."""

import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import Probabilities, answer_of_tensors, predicted_classes
from gristmill.domains.common.prediction import Prediction, PredictionRequest, Requests
from gristmill.domains.vision import class_maps
from gristmill.domains.vision.dataset import Layout, Pixels
from gristmill.domains.vision.decode import check_photo, decode_ingested, decode_photo
from gristmill.domains.vision.settings import Ingest
from gristmill.errors import DataError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.prediction_columns import BECAUSE
from gristmill.sources.images.folder import PHOTO_SUFFIXES
from gristmill.training.named_arrays import Array
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

CLASS_MAP = "class_map"  # column of the picture of what speaks for the most probable class
_BATCH = 64  # photos in memory at a time
_MAX_SIDE_OF_MAP = 288  # pixels


class PhotoPrediction(Prediction):
    """Classes of photos, each of which is a file."""

    suffixes = PHOTO_SUFFIXES

    def predict(self, request: PredictionRequest) -> pd.DataFrame:
        """Return one row per file: `file`, `predicted`, its `probability`, `set`, and `p_<class>` of each class.

        Photos come from files, or from an ingest artifact. A file that is not an image, or is broken, has no
        class; the log reports how many those are. With `explain`, `because` says where in the photo most speaks for its
        most probable class (`class_maps.py`), and `class_map` shows it in red, as a JPEG in a data URI.

        Raises:
            DataError: no file is usable.
        """
        # 1. Classify the photos that can be used.
        bundle = request.bundle
        layout = exported_layout(bundle)
        skipped: list[tuple[str, str]] = []  # name and reason
        if request.ingested is None:
            names = [str(path) for path in request.paths]
            photos = _read_photos(request.paths, layout, request.ingest.max_pixels, skipped)
        else:
            index = read_table(request.ingested / "index.parquet")
            names = index["id"].tolist()
            photos = decode_ingested(request.ingested, index, layout)
        explain = request.options.explain
        classified, maps = classify(bundle, photos, bundle.network if explain else None)

        # 2. Report those that cannot.
        if skipped:
            first = ": ".join(skipped[0])
            if len(skipped) == len(names):
                none = f"none of {len(names)} photos can be used: " if len(names) > 1 else ""
                raise DataError(f"{none}{first}. Expected a photo or a folder of photos.")
            message = "%d of %d photos cannot be used and get no class. The first: %s"
            logger.warning(message, len(skipped), len(names), first)

        # 3. Give each photo a row.
        used = ~np.isin(names, [name for name, _ in skipped])
        probabilities = np.full((len(names), len(layout.classes)), np.nan, classified.dtype)
        probabilities[used] = classified
        answer = predicted_classes({"file": names}, probabilities, layout.classes, Decision.read(bundle.path))
        if explain:
            answer.loc[used, [BECAUSE, CLASS_MAP]] = maps
        return answer

    def check_tensors(self, ingest: Ingest, inputs: Mapping[str, Any]) -> None:
        """Check encoded photos that are sent to the SavedModel, which has no limit on their pixels.

        Raises:
            RequestError: a photo is broken, or has more than `ingest.max_pixels`.
        """
        for name, values in inputs.items():
            for at, encoded in enumerate(values if values.dtype == object else ()):
                try:
                    check_photo(encoded if isinstance(encoded, bytes) else str(encoded).encode(), ingest.max_pixels)
                except DataError as error:
                    raise RequestError(f"instances[{at}].{name}: {error}") from None

    def rows_of_tensors(
        self, bundle: LoadedBundle, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> pd.DataFrame:
        return answer_of_tensors(bundle, inputs, outputs)


def exported_layout(bundle: LoadedBundle) -> Layout:
    """Return the layout of the images that an exported model takes."""
    signature = bundle.signature
    height, width = signature["size"]
    return Layout(height, width, signature["channels"], "raw", signature["fit"], signature["classes"], counts={})


def classify(
    bundle: LoadedBundle, photos: Iterator[Pixels], network: "keras.Model | None" = None
) -> tuple[Probabilities, list[tuple[str, str]]]:
    """Return the probabilities of photos, one by one in the model's layout, by a bundle: (photos, classes).

    With a `network`, the places that speak for the most probable class follow, with a picture of them as a data URI.
    """
    model = bundle.predictor()
    probabilities, maps = [np.empty((0, len(bundle.signature["classes"])), np.float32)], list[tuple[str, str]]()
    while batch := list(islice(photos, _BATCH)):
        images = np.stack(batch)
        probabilities.append(model(images))
        if network is not None:
            maps += _draw_maps(network, images, probabilities[-1].argmax(axis=1).tolist())
    return np.concatenate(probabilities), maps


def _draw_maps(network: "keras.Model", images: Pixels, classes: list[int]) -> list[tuple[str, str]]:
    """Return the place and the picture of the class activation maps of images; empty texts without convolutions."""
    maps = class_maps.class_maps(network, images, classes)
    if maps is None:
        return [("", "")] * len(images)
    drawn = []
    for image, each in zip(images, maps, strict=True):
        picture = b64encode(class_maps.picture(image, each, _MAX_SIDE_OF_MAP)).decode()
        drawn.append((class_maps.place(each), f"data:image/jpeg;base64,{picture}"))
    return drawn


def _read_photos(
    paths: tuple[Path, ...], layout: Layout, max_pixels: int, skipped: list[tuple[str, str]]
) -> Iterator[Pixels]:
    """Yield the pixels of the files that can be used, and add the others to `skipped`."""
    for path in paths:
        try:
            encoded = path.read_bytes()
            check_photo(encoded, max_pixels)
            yield decode_photo(encoded, layout)
        except OSError as error:
            skipped.append((str(path), f"cannot be read ({error.strerror})"))
        except DataError as error:
            skipped.append((str(path), str(error)))


PREDICTION = PhotoPrediction()
REQUESTS = Requests(("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"), takes_json=False)
"""Requests for photos to classify: a body is one photo."""

"""Evaluate: scores of the classifier, the baselines and other candidates, its errors, and its feature maps."""

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gristmill.domains.common.candidates import (
    CandidateArtifacts,
    succeeded,
)
from gristmill.domains.common.classification import evaluation
from gristmill.domains.common.classification.evaluation import (
    Presentation,
    check_evaluate,
    is_balanced,
    write_scores,
)
from gristmill.domains.common.classification.examples import CELLS
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.comparison import compare
from gristmill.domains.vision import dataset, feature_maps
from gristmill.domains.vision.class_maps import class_maps, picture
from gristmill.domains.vision.dataset import Pixels, Prepared
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.domains.vision.learner import ImageLearner
from gristmill.domains.vision.models.linear import LinearPixels, Majority
from gristmill.scores import MODEL
from gristmill.settings.stage import Stage
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_table

BASELINES = (Majority(kind="majority"), LinearPixels(kind="linear_pixels"))
"""Cheap classifiers that every evaluation shows."""

_THUMBNAIL_SIDE = 96  # pixels
_MAX_LOSSLESS_SIDE = 48  # pixels of a thumbnail that is a PNG; larger ones are JPEGs
_MIN_SIDE_OF_MAPS = 48  # pixels; on smaller images, class activation maps show next to nothing
IMAGES_MAPPED = 3  # images of different classes whose feature maps are shown


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    features: Path | None = None,
    candidates: Mapping[str, CandidateArtifacts] = MappingProxyType({}),
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Classify every image of the test set, and score these predictions and those of the validation set.

    The validation set was predicted by `train` or `select`, when it was held out of training. Baselines are fitted as
    `train` fits a classifier in closed form. Other `candidates` are scored too, but not selected by these scores. The
    time that each takes for an image is added to `microseconds`.

    Writes `predictions.parquet` (one row per image), `scores.parquet` (by class and slice), `scores.json`,
    `layers.parquet`, `wrong_labels.csv` (likely wrong labels), `examples.parquet` (images for the report) and, if the
    network has convolutions, `feature_maps.npz`. With `features` of a frozen base, only the head is applied; export
    checks that the whole network gives the same predictions.

    Raises:
        RequestError: the decision does not fit the data, or a slice is not a column of the source's metadata.
    """
    # 1. Predict with the model, the baselines and the other candidates.
    data, model = dataset.read(preprocess), ImageClassifier.read(train)
    check_evaluate(evaluate, data)
    others = succeeded(candidates)
    learner = ImageLearner(data)
    of_model = ImageLearner(dataset.read(preprocess, features))
    by_model = {MODEL: of_model.predict_scored(model) | of_model.read_held_out(train)}
    by_model |= compare(learner, BASELINES, others, balanced=is_balanced(train), microseconds=microseconds)

    # 2. Write the scores, with the examples that the report shows.
    def show(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(
            picture=thumbnails(data, rows), class_map=np.array(maps_of_doubtful(data, model, rows), object)
        )

    advice = "check that nothing in the photos gives the class away, such as a stamp or the background"
    presentation = Presentation(learner.noun, evaluate.slices, show, advice)
    counts = write_scores(data, by_model, evaluate, presentation, train=train, candidates=others, out=out)

    # 3. Write the layers of the network, and feature maps of an image of each of the first classes.
    write_table(out / "layers.parquet", layer_table(model.network))
    first_of_classes = np.unique(data.labels("test"), return_index=True)[1][:IMAGES_MAPPED].tolist()
    maps = feature_maps.compute_feature_maps(model.network, data.pick_pixels("test", first_of_classes))
    if maps is not None:
        maps.write(out)
    return counts


def check_before_training(preprocessed: Path, tables: Mapping[str, Any], stages: Collection[Stage]) -> None:
    """Check settings of the scores of classes, because evaluate would fail only after the training."""
    evaluation.check_before_training(tables["evaluate"], lambda: dataset.read(preprocessed))


def thumbnails(data: Prepared, rows: pd.DataFrame) -> list[bytes]:
    """Return the images of some rows, with `id` and `part`, as small image files."""
    files: list[bytes] = []
    for values in _pixels_of(data, rows):
        image = Image.fromarray(values.squeeze(-1) if values.shape[-1] == 1 else values)
        image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        encoded = io.BytesIO()
        if max(image.size) <= _MAX_LOSSLESS_SIDE:
            image.save(encoded, "PNG")
        else:
            image.save(encoded, "JPEG", quality=85)
        files.append(encoded.getvalue())
    return files


def maps_of_doubtful(data: Prepared, model: ImageClassifier, rows: pd.DataFrame) -> list[bytes | None]:
    """Return class activation maps of errors and likely wrong labels for the class that is predicted; else None."""
    doubtful = rows["shown"] != CELLS
    if not doubtful.any() or min(data.layout.height, data.layout.width) < _MIN_SIDE_OF_MAPS:
        return [None] * len(rows)
    chosen = rows[doubtful]
    images = np.stack(_pixels_of(data, chosen))
    maps = class_maps(model.network, images, chosen["predicted"].map(data.classes.index).tolist())
    if maps is None:
        return [None] * len(rows)
    drawn = iter([picture(image, each, _THUMBNAIL_SIDE) for image, each in zip(images, maps, strict=True)])
    return [next(drawn) if one else None for one in doubtful]


def _pixels_of(data: Prepared, rows: pd.DataFrame) -> list[Pixels]:
    """Return the pixels of the images of some rows, with `id` and `part`."""
    pixels: dict[tuple[str, str], Pixels] = {}
    for part in rows["part"].unique():
        ids = rows["id"][rows["part"] == part].unique()
        positions = pd.Index(data.rows(part)["id"]).get_indexer(pd.Index(ids)).tolist()
        pixels |= {(part, id_): values for id_, values in zip(ids, data.pick_pixels(part, positions), strict=True)}
    return [pixels[key] for key in zip(rows["part"], rows["id"], strict=True)]

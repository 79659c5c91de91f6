"""Evaluate: scores of the classifier and the baselines, its errors, and its feature maps."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.classification.predictions import most_confident_errors, prediction_rows
from gristmill.domains.common.classification.score_table import check_slices, described, score_table, summarised
from gristmill.domains.vision import baselines, dataset, feature_maps
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.predictions import pick_pixels, probabilities_of
from gristmill.domains.vision.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

MAX_ERRORS_SHOWN = 12
IMAGES_MAPPED = 3  # images of different classes whose feature maps are shown


def evaluate(
    *, evaluate: Evaluate, preprocess: Path, train: Path, out: Path, features: Path | None = None
) -> dict[str, int]:
    """Classify every image of the validation and the test set, and score the predictions.

    Writes `predictions.parquet` (one row per image), `scores.parquet` (by class and slice), `scores.json`,
    `layers.parquet`, `errors.npy` (pictures of the most confident errors) and, if the network has convolutions,
    `looks.npz`. With `features` of a frozen base, only the head is applied; export checks that the whole network
    gives the same predictions.

    Raises:
        RequestError: a slice is not a column of the source's metadata.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    check_slices(evaluate.slices, data)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    others = baselines.predictions_of(data, parts, evaluate.baseline_side)
    predicted = {part: {MODEL: probabilities_of(network, data, part, features)} | others[part] for part in parts}
    rows = {part: prediction_rows(data, part, predicted[part][MODEL], others[part]) for part in parts}
    table = pd.concat([score_table(data, part, predicted[part], evaluate.slices) for part in parts], ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    write_document(out / FILE, summarised(table) | described(data, predicted["test"][MODEL]))
    write_table(out / "layers.parquet", layer_table(network))
    write_examples(data, network, rows["test"], out)
    return {f"{part}_images": len(rows[part]) for part in parts}


def write_examples(data: Prepared, network: keras.Model, test: pd.DataFrame, out: Path) -> None:
    """Write `errors.npy`, pictures of the most confident errors, and `looks.npz`, feature maps of a few images."""
    errors = most_confident_errors(test, MAX_ERRORS_SHOWN).index.tolist()
    first_of_classes = np.unique(data.labels("test"), return_index=True)[1][:IMAGES_MAPPED].tolist()
    pixels = pick_pixels(data, "test", [*errors, *first_of_classes])
    np.save(out / "errors.npy", feature_maps.thumbnails(pixels[: len(errors)]), allow_pickle=False)
    feature_maps.write(feature_maps.compute_feature_maps(network, pixels[len(errors) :]), out)

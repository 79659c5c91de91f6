"""Evaluate: a classifier beside the baselines, where it errs, how honest its probabilities are, and what it sees."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.classification.predictions import most_confident_errors, prediction_rows
from gristmill.domains.common.classification.score_table import (
    check_slices,
    described,
    score_table,
    summarised,
)
from gristmill.domains.vision import baselines, dataset, feature_maps
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.export_network import head_of
from gristmill.domains.vision.predictions import picked, probabilities_of, probabilities_on
from gristmill.domains.vision.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

ERRORS = 12  # that are shown
LOOKED_AT = 3  # images whose feature maps are shown


def evaluate(
    *, evaluate: Evaluate, preprocess: Path, train: Path, out: Path, features: Path | None = None
) -> dict[str, int]:
    """Classify every image of the validation and the test part, and score what came out.

    Writes `predictions.parquet` (one row an image), `scores.parquet` (by class and slice), `scores.json`,
    `layers.parquet`, `errors.npy` (pictures of the surest errors) and, where the network has convolutions, `looks.npz`.

    Args:
        evaluate: slices, and what the linear baseline sees.
        preprocess: folder of the prepared images.
        train: folder of the trained network.
        out: folder to write to.
        features: folder of the features that the network's base gives, where it stays as it is. Then the head is
            scored on them; export proves that the whole network gives the same.

    Raises:
        RequestError: a slice that is no column of the source's metadata.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    check_slices(evaluate.slices, data)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    others = baselines.predictions_of(data, parts, evaluate.baseline_side)
    classified = {
        part: probabilities_on(features, head_of(network), part) if features else probabilities_of(network, data, part)
        for part in parts
    }
    made = {part: {MODEL: classified[part]} | others[part] for part in parts}
    rows = {part: prediction_rows(data, part, made[part][MODEL], others[part]) for part in parts}
    table = pd.concat([score_table(data, part, made[part], evaluate.slices) for part in parts], ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    write_document(out / FILE, summarised(table) | described(data, made["test"][MODEL]))
    write_table(out / "layers.parquet", layer_table(network))
    write_examples(data, network, rows["test"], out)
    return {f"{part}_images": len(rows[part]) for part in parts}


def write_examples(data: Prepared, network: keras.Model, test: pd.DataFrame, out: Path) -> None:
    """Write `errors.npy`, the pixels of the surest errors, and `looks.npz`, what the network sees of a few images."""
    errors = most_confident_errors(test, ERRORS).index.tolist()
    first_of_classes = np.unique(data.labels("test"), return_index=True)[1][:LOOKED_AT].tolist()
    pixels = picked(data, "test", [*errors, *first_of_classes])
    np.save(out / "errors.npy", feature_maps.thumbnails(pixels[: len(errors)]), allow_pickle=False)
    feature_maps.write(feature_maps.look(network, pixels[len(errors) :]), out)

"""Evaluate: scores of the classifier, the baselines and other candidates, its errors, and its feature maps."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification.held_out import validation_probabilities
from gristmill.domains.common.classification.predictions import Probabilities, most_confident_errors, prediction_rows
from gristmill.domains.common.classification.score_table import check_slices, described, score_table, summarised
from gristmill.domains.common.selection import summary_of
from gristmill.domains.vision import dataset, feature_maps
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.domains.vision.models.linear import LinearPixels
from gristmill.domains.vision.models.majority import Majority
from gristmill.domains.vision.predictions import pick_pixels, probabilities_of
from gristmill.domains.vision.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

ProbabilitiesByPart = dict[str, Probabilities]

BASELINES = (Majority(kind="majority"), LinearPixels(kind="linear_pixels"))
"""Cheap classifiers that every evaluation shows."""

MAX_ERRORS_SHOWN = 12
_IMAGES_TIMED = 64
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

    The validation set was predicted by `train` or `select`, with classifiers that were not fitted on it. Other
    `candidates` are scored, too; their scores choose nothing. The time that each of them takes for an image is added to
    `microseconds`.

    Writes `predictions.parquet` (one row per image), `scores.parquet` (by class and slice), `scores.json`,
    `layers.parquet`, `errors.npy` (pictures of the most confident errors) and, if the network has convolutions,
    `looks.npz`. With `features` of a frozen base, only the head is applied; export checks that the whole network
    gives the same predictions.

    Raises:
        RequestError: a slice is not a column of the source's metadata.
    """
    data, network, tried = dataset.read(preprocess), saved_network.read(train), succeeded(candidates)
    check_slices(evaluate.slices, data)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    others = baseline_probabilities(data, parts, tried)
    others |= candidate_probabilities(data, tried, {} if microseconds is None else microseconds)
    model = held_out_and_test(network, train, data, features)
    rows, tables = {}, []
    for part in parts:
        compared = {name: other[part] for name, other in others.items()}
        rows[part] = prediction_rows(data, part, model[part], compared)
        tables.append(score_table(data, part, {MODEL: model[part]} | compared, evaluate.slices))
    table = pd.concat(tables, ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    chosen = [name for name, one in tried.items() if not one.is_baseline]
    summary = summarised(table, summary_of(train), chosen) | described(data, model["test"])
    write_document(out / FILE, summary)
    write_table(out / "layers.parquet", layer_table(network))
    write_examples(data, network, rows["test"], out)
    return {f"{part}_images": len(rows[part]) for part in parts}


def baseline_probabilities(
    data: Prepared, parts: list[str], tried: Mapping[str, CandidateArtifacts]
) -> dict[str, ProbabilitiesByPart]:
    """Return the probabilities of the baselines that are not among the candidates, fitted on the training set."""
    known = [one.document["settings"]["model"] for one in tried.values()]
    missing = [baseline for baseline in BASELINES if baseline.model_dump(mode="json") not in known]
    fitted = {baseline.kind: baseline.fit(LabelledImages.of(data, "train")) for baseline in missing}
    return {name: {part: probabilities_of(network, data, part) for part in parts} for name, network in fitted.items()}


def candidate_probabilities(
    data: Prepared, tried: Mapping[str, CandidateArtifacts], microseconds: dict[str, float]
) -> dict[str, ProbabilitiesByPart]:
    """Return the probabilities of candidates, and add the time that each takes for an image to `microseconds`."""
    made = {}
    for name, candidate in tried.items():
        network = saved_network.read(candidate.train)
        made[name] = held_out_and_test(network, candidate.train, data, None)
        pixels = next(data.dataset("test", _IMAGES_TIMED).as_numpy_iterator())[0]
        microseconds[name] = saved_network.microseconds_per_row(network, pixels)
    return made


def held_out_and_test(network: keras.Model, folder: Path, data: Prepared, features: Path | None) -> ProbabilitiesByPart:
    """Return a classifier's probabilities of the test set, and its held-out ones of the validation set."""
    held_out = {"validation": validation_probabilities(folder, data)} if data.layout.counts["validation"] else {}
    return held_out | {"test": probabilities_of(network, data, "test", features)}


def write_examples(data: Prepared, network: keras.Model, test: pd.DataFrame, out: Path) -> None:
    """Write `errors.npy`, pictures of the most confident errors, and `looks.npz`, feature maps of a few images."""
    errors = most_confident_errors(test, MAX_ERRORS_SHOWN).index.tolist()
    first_of_classes = np.unique(data.labels("test"), return_index=True)[1][:IMAGES_MAPPED].tolist()
    pixels = pick_pixels(data, "test", [*errors, *first_of_classes])
    np.save(out / "errors.npy", feature_maps.thumbnails(pixels[: len(errors)]), allow_pickle=False)
    feature_maps.write(feature_maps.compute_feature_maps(network, pixels[len(errors) :]), out)

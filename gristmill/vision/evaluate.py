"""Evaluate: a classifier beside the baselines, where it errs, how honest its probabilities are, and what it sees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill import network as networks
from gristmill.errors import RequestError
from gristmill.tables import write_document, write_table
from gristmill.vision import baselines, looks, prepared, scores
from gristmill.vision.predictions import Probabilities, as_rows, picked, probabilities_of, surest_errors
from gristmill.vision.prepared import Labels, Prepared
from gristmill.vision.settings import Evaluate
from gristmill.wording import suggestion

Made = dict[str, Probabilities]  # by forecaster: the model, then the baselines
Row = dict[str, Any]

MODEL = "model"
ERRORS = 12  # that are shown
LOOKED_AT = 3  # images whose feature maps are shown

_LABELS = ("part", "forecaster", "by", "group", "images")
_SHOWN = ("accuracy", "f1", "roc_auc", "log_loss", "ece")  # where there is no room for all


def evaluate(*, evaluate: Evaluate, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Classify every image of the validation and the test part, and score what came out.

    Writes `predictions.parquet` (one row an image), `scores.parquet` (by class and slice), `scores.json`,
    `layers.parquet`, `errors.npy` (pictures of the surest errors) and, where the network has convolutions, `looks.npz`.

    Args:
        evaluate: slices, and what the linear baseline sees.
        preprocess: folder of the prepared images.
        train: folder of the trained network.
        out: folder to write to.

    Raises:
        RequestError: a slice that is no column of the source's metadata.
    """
    data, network = prepared.read(preprocess), networks.read(train)
    refuse_unknown(evaluate.slices, data)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    others = baselines.predictions_of(data, parts, evaluate.baseline_side)
    made = {part: {MODEL: probabilities_of(network, data, part)} | others[part] for part in parts}
    rows = {part: as_rows(data, part, made[part][MODEL]) for part in parts}
    table = pd.concat([score_table(data, part, made[part], evaluate.slices) for part in parts], ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    write_document(out / "scores.json", summarised(table) | described(data, made["test"][MODEL]))
    write_table(out / "layers.parquet", looks.layers(network))
    write_examples(data, network, rows["test"], out)
    return {f"{part}_images": len(rows[part]) for part in parts}


def refuse_unknown(slices: tuple[str, ...], data: Prepared) -> None:
    """Refuse slices by a column that the images do not have, or whose name means something else in the scores."""
    known = [str(name) for name in data.index if name not in ("id", "label", "part", "all", "class")]
    for name in slices:
        if name not in known:
            raise RequestError(f"evaluate.slices: {suggestion('column', name, known)}")


def score_table(data: Prepared, part: str, made: Made, slices: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return one row for each forecaster and group: `part`, `forecaster`, `by`, `group`, `images`, then the metrics.

    `by` is `all`, `class` or a column of the metadata. A class has precision, recall and F1 alone; elsewhere these are
    means over the classes that have images.
    """
    rows = []
    for name, probabilities in made.items():
        labels = {"part": part, "forecaster": name}
        rows += [labels | row for row in by_group(data, part, probabilities, slices)]
        rows += [labels | row for row in by_class(data, part, probabilities)]
    return pd.DataFrame(rows)


def by_group(data: Prepared, part: str, probabilities: Probabilities, slices: tuple[str, ...]) -> Iterator[Row]:
    """Yield the scores of the whole part, and of the images that share a value of a column."""
    index, truth = data.rows(part), data.labels(part)
    yield {"by": "all", "group": "", "images": len(truth)} | measure(truth, probabilities)
    for column in slices:
        values = index[column].fillna("–").astype(str)
        for value in sorted(values.unique()):
            own = (values == value).to_numpy()
            measured = measure(truth[own], probabilities[own])
            yield {"by": column, "group": value, "images": int(own.sum())} | measured


def by_class(data: Prepared, part: str, probabilities: Probabilities) -> Iterator[Row]:
    """Yield the scores of each class."""
    classes = data.layout.classes
    counts = scores.confusion(data.labels(part), probabilities.argmax(axis=1), len(classes))
    measured = zip(scores.precision(counts), scores.recall(counts), scores.f1(counts), strict=True)
    for name, images, (precision, recall, f1) in zip(classes, counts.sum(axis=1), measured, strict=True):
        yield {
            "by": "class",
            "group": name,
            "images": int(images),
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }


def measure(truth: Labels, probabilities: Probabilities) -> dict[str, float | None]:
    """Return the metrics of some images; `roc_auc` where there are two classes."""
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    counts = scores.confusion(truth, predicted, classes)
    measured = {
        "accuracy": scores.accuracy(truth, predicted),
        "precision": float(np.nanmean(scores.precision(counts))),
        "recall": float(np.nanmean(scores.recall(counts))),
        "f1": float(np.nanmean(scores.f1(counts))),
        "log_loss": scores.log_loss(truth, probabilities),
        "brier": scores.brier(truth, probabilities),
        "ece": scores.ece(truth, probabilities),
    }
    return measured | ({"roc_auc": scores.roc_auc(truth, probabilities)} if classes == 2 else {})


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Return `model.<part>.<metric>`, `baselines.<name>.<part>.<metric>`, the best baseline and the headline."""
    scored: dict[str, dict[str, Any]] = {}
    for row in table[table["by"] == "all"].to_dict("records"):
        values = {key: None if pd.isna(value) else value for key, value in row.items() if key not in _LABELS}
        scored.setdefault(row["forecaster"], {})[row["part"]] = values
    model = scored.pop(MODEL)
    best = max(scored, key=lambda name: scored[name]["test"]["accuracy"])
    return {
        "model": model,
        "baselines": scored,
        "best_baseline": best,
        "shown": [name for name in _SHOWN if name in model["test"]],
        "headline": {
            "metric": "accuracy",
            "model": model["test"]["accuracy"],
            "baseline": scored[best]["test"]["accuracy"],
            "higher_is_better": True,
        },
    }


def described(data: Prepared, probabilities: Probabilities) -> dict[str, Any]:
    """Return what else is known of the test part: the confusion of the classes, and how honest probabilities are."""
    truth, classes = data.labels("test"), data.layout.classes
    return {
        "classes": classes,
        "confusion": scores.confusion(truth, probabilities.argmax(axis=1), len(classes)).tolist(),
        "calibration": scores.reliability(truth, probabilities),
    }


def write_examples(data: Prepared, network: keras.Model, test: pd.DataFrame, out: Path) -> None:
    """Write `errors.npy`, the pixels of the surest errors, and `looks.npz`, what the network sees of a few images."""
    errors = surest_errors(test, ERRORS).index.tolist()
    first_of_classes = np.unique(data.labels("test"), return_index=True)[1][:LOOKED_AT].tolist()
    pixels = picked(data, "test", [*errors, *first_of_classes])
    np.save(out / "errors.npy", looks.thumbnails(pixels[: len(errors)]), allow_pickle=False)
    looks.write(looks.look(network, pixels[len(errors) :]), out)

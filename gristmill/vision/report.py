"""What a report on image classifiers shows: scores, errors, calibration, training, what the network sees, data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.learning_report import training_sections
from gristmill.pictures import as_png, as_svg
from gristmill.report import Section, Table
from gristmill.tables import read_document, read_table
from gristmill.vision import figures, looks, prepared
from gristmill.vision.figures import short
from gristmill.vision.predictions import read_predictions, surest_errors
from gristmill.vision.prepared import PARTS, Prepared
from gristmill.wording import score

METRICS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
}

_SHOWN = 30  # classes or groups that a table shows at most
_COLUMNS = 6  # of errors
_INDENT = "\u2003"  # an em space, which a web page keeps


@dataclass(frozen=True)
class Found:
    """What a run left in its artifacts, read once."""

    folders: dict[str, Path]
    data: Prepared
    scores: dict[str, Any]
    table: pd.DataFrame

    @property
    def best(self) -> str:
        """The best baseline."""
        return str(self.scores["best_baseline"])

    def by(self, what: str) -> pd.DataFrame:
        """Return the scores of the test part by class or by a column of the metadata."""
        return self.table[(self.table["by"] == what) & (self.table["part"] == "test")]


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    found = Found(
        folders,
        prepared.read(folders["preprocess"]),
        read_document(folders["evaluate"] / "scores.json"),
        read_table(folders["evaluate"] / "scores.parquet"),
    )
    yield scores_section(found)
    yield confusion_section(found)
    yield calibration_section(found)
    yield from error_sections(found)
    yield from slice_sections(found)
    yield from training_sections(folders["train"])
    yield from sight_sections(folders["evaluate"])
    yield network_section(folders["evaluate"])
    yield from sample_sections(folders["train"])
    yield data_section(found)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return the confusion of the classes as a PNG, from the folder of `evaluate` alone."""
    scores = read_document(folders["evaluate"] / "scores.json")
    return as_png(figures.confusion_figure(scores["confusion"], scores["classes"]))


def scores_section(found: Found) -> Section:
    """Return how the model stands beside its baselines, part by part."""
    tables = [scores_table(found.scores, part) for part in PARTS if part in found.scores["model"]]
    return Section(
        "Scores", f"{verdict(found.scores)} {learned_gap(found.folders['train'], found.scores)}", tables=tables
    )


def verdict(scores: dict[str, Any]) -> str:
    """Say in a sentence how the model stands beside its best baseline."""
    headline = scores["headline"]
    model, baseline = headline["model"], headline["baseline"]
    stands = "beats" if model > baseline else "does not beat"
    change = (1 - model) / (1 - baseline) - 1 if baseline < 1 else 0.0
    errors = f", {abs(change):.0%} {'fewer' if change < 0 else 'more'} errors" if change else ""
    return (
        f"The model {stands} its best baseline, {scores['best_baseline']}, on the test part: accuracy "
        f"{score('accuracy', model)} against {score('accuracy', baseline)}{errors}. Nothing was fitted on the test "
        "part. Precision, recall and F1 are means over the classes."
    )


def learned_gap(train: Path, scores: dict[str, Any]) -> str:
    """Say how much better the training part is classified than images that nothing was fitted on."""
    epochs = read_table(train / "epochs.parquet")
    if "accuracy" not in epochs:
        return ""
    kept = epochs[epochs["epoch"] == read_document(train / "training.json")["best_epoch"]].iloc[0]
    learned = kept["accuracy"]
    points = {part: 100 * (learned - values["accuracy"]) for part, values in scores["model"].items()}
    return (
        f"Accuracy on the training part, measured while the network learned, was {score('accuracy', learned)} in the "
        f"epoch that was kept: {' and '.join(f'{gap:+.1f} points beside {part}' for part, gap in points.items())}."
    )


def scores_table(scores: dict[str, Any], part: str) -> Table:
    """Return a part's scores, the model first, then the baselines from the best on."""
    baselines = sorted(scores["baselines"].items(), key=lambda item: -item[1][part]["accuracy"])
    named = [("model", scores["model"][part]), *((name, by_part[part]) for name, by_part in baselines)]
    shown = {key: name for key, name in METRICS.items() if key in scores["model"][part]}
    rows = [[name, *(score(key, values[key]) for key in shown)] for name, values in named]
    return Table(f"{part.capitalize()} part", ["classifier", *shown.values()], rows)


def confusion_section(found: Found) -> Section:
    """Return what each class is taken for, and how well it is found."""
    picture = as_svg(figures.confusion_figure(found.scores["confusion"], found.scores["classes"]))
    classes = found.by("class")
    model = classes[classes["forecaster"] == "model"]
    note = (
        "The test part, coloured by the share of the true class. Precision is the share of what was taken for a class "
        f"that is of it, recall the share of the class that was found.{_limited(model, 'classes', 'F1')}"
    )
    rows = [
        [row["group"], f"{row['images']:,}", *(_cell(key, row[key]) for key in ("precision", "recall", "f1"))]
        for row in _worst(model, "f1").to_dict("records")
    ]
    return Section(
        "Confusion matrix", note, [picture], [Table("", ["class", "images", "precision", "recall", "F1"], rows)]
    )


def calibration_section(found: Found) -> Section:
    """Return how often the model is right beside how sure it says it is."""
    bins, test = found.scores["calibration"], found.scores["model"]["test"]
    images = sum(one["images"] for one in bins)
    confidence = sum(one["images"] * one["confidence"] for one in bins) / images
    note = (
        f"On the test part the model is right in {test['accuracy']:.1%} of the images and is {confidence:.1%} sure in "
        f"the mean; over the bins both are {test['ece']:.1%} apart (ECE)."
    )
    return Section("Calibration", note, pictures=[as_svg(figures.calibration_figure(bins))])


def error_sections(found: Found) -> Iterator[Section]:
    """Yield the pictures of the surest errors."""
    pixels = np.load(found.folders["evaluate"] / "errors.npy", allow_pickle=False)
    if not len(pixels):
        return
    rows = surest_errors(read_predictions(found.folders["evaluate"], "test"), len(pixels)).to_dict("records")
    words = [
        f"{short(row['label'], 16)}, taken for\n{short(row['predicted'], 20)}, {row['probability']:.1%}" for row in rows
    ]
    table = [[row["id"], row["label"], row["predicted"], f"{row['probability']:.2%}"] for row in rows]
    yield Section(
        "Surest errors",
        "Images of the test part that the model was most sure of and wrong about. Some may be labelled wrongly.",
        [as_svg(figures.sheet(list(pixels), _COLUMNS, words))],
        [Table("", ["image", "true", "predicted", "probability"], table)],
    )


def slice_sections(found: Found) -> Iterator[Section]:
    """Yield the scores by columns of the metadata."""
    tables = []
    for column in [by for by in found.table["by"].unique() if by not in ("all", "class")]:
        groups = found.by(column)
        model = groups[groups["forecaster"] == "model"]
        baseline = groups[groups["forecaster"] == found.best].set_index("group")["accuracy"]
        shown = found.scores["shown"]
        rows = [
            [
                row["group"],
                f"{row['images']:,}",
                *(_cell(key, row[key]) for key in shown),
                score("accuracy", baseline[row["group"]]),
            ]
            for row in _worst(model, "accuracy").to_dict("records")
        ]
        headings = ["", "images", *(METRICS[key] for key in shown), f"accuracy of {found.best}"]
        tables.append(Table(column + _limited(model, "groups", "accuracy"), headings, rows))
    if tables:
        yield Section("Slices", "The test part by what the source says of its images.", tables=tables)


def sight_sections(evaluated: Path) -> Iterator[Section]:
    """Yield the filters of the first convolution, and feature maps of a few test images."""
    found = looks.read(evaluated)
    if found is None:
        return
    pictures = [figures.filters_figure(found.filters)]
    pictures += [figures.maps_figure(found.images, maps, layer) for layer, maps in found.maps.items()]
    note = (
        f"Filters of the first convolution ({looks.FILTERS} at most), and images of the test part with what "
        f"convolutions make of them: the {looks.MAPS} maps of a layer that differ most over these images."
    )
    yield Section("What the network sees", note, pictures=[as_svg(picture) for picture in pictures])


def network_section(evaluated: Path) -> Section:
    """Return the layers of the network."""
    layers = read_table(evaluated / "layers.parquet")
    outer = layers[layers["depth"] == 0]
    note = (
        f"{outer['parameters'].sum():,} parameters, {outer['trainable'].sum():,} of them trained. Outputs of one image."
    )
    rows = [
        [_INDENT * depth + name, kind, output, *(f"{count:,}" if count else "" for count in counts)]
        for depth, name, kind, output, *counts in layers.itertuples(index=False)
    ]
    return Section("Network", note, tables=[Table("", ["layer", "type", "output", "parameters", "trained"], rows)])


def sample_sections(train: Path) -> Iterator[Section]:
    """Yield training images as they are and as they are changed, where they are."""
    if not (train / "samples.npy").exists():
        return
    samples = np.load(train / "samples.npy", allow_pickle=False)
    tiles = looks.thumbnails(samples.reshape(-1, *samples.shape[2:]))
    note = "Training images as they are, first in each row, and as they are changed at random in every epoch."
    yield Section("Augmented samples", note, [as_svg(figures.sheet(list(tiles), samples.shape[1]))])


def data_section(found: Found) -> Section:
    """Return how many images each class has in each part, and what was left out."""
    layout, index = found.data.layout, found.data.index
    summary = read_document(found.folders["ingest"] / "summary.json")
    skipped = summary["skipped"]
    note = (
        f"{len(index):,} images of {len(layout.classes)} classes, at {layout.height} x {layout.width} pixels and "
        f"{layout.channels} channel{'s' if layout.channels > 1 else ''}; "
        + (f"{len(skipped):,} left out." if skipped else "none was left out.")
    )
    counts = pd.crosstab(index["label"], index["part"]).reindex(
        index=range(len(layout.classes)), columns=list(PARTS), fill_value=0
    )
    rows = [[layout.classes[label], *(f"{count:,}" for count in row)] for label, row in enumerate(counts.to_numpy())]
    total = ["all", *(f"{count:,}" for count in counts.sum())]
    tables = [Table("Images by class and part", ["class", *PARTS], [*rows, total])]
    if skipped:
        shown = [[photo["id"], photo["reason"]] for photo in skipped[:_SHOWN]]
        title = "Left out" if len(shown) == len(skipped) else f"Left out: the first {len(shown)} of {len(skipped):,}"
        tables.append(Table(title, ["image", "reason"], shown))
    return Section("Data", note, tables=tables)


def _worst(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return as many rows as a table shows: all in their order, or those of the lowest score."""
    return rows if len(rows) <= _SHOWN else rows.nsmallest(_SHOWN, metric)


def _limited(rows: pd.DataFrame, what: str, metric: str) -> str:
    """Say which rows are shown where not all are."""
    lowest = f" Of {len(rows)} {what} the {_SHOWN} with the lowest {metric}; all are in scores.parquet."
    return lowest if len(rows) > _SHOWN else ""


def _cell(metric: str, value: float) -> str:
    return score(metric, None if pd.isna(value) else value)

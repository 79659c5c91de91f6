"""Short trainings that show whether a train stage works: the network overfits a few examples and trains reproducibly.

Each training calls the stage itself, with the pipeline's network, loss and feed, on a part of its preprocessed data in
scratch folders. The overfit check replaces optimizer, learning rate and schedule by `_OVERFIT` and leaves out
regularization: it tests network and loss, not the settings that train them. The check of reproducibility keeps the
pipeline's own settings, for a few batches and without early stopping.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from gristmill.config.domains import domain_of
from gristmill.domains.common.few_examples import Folders
from gristmill.errors import Diverged
from gristmill.keys import digest_of_file
from gristmill.settings.base import Settings
from gristmill.settings.number_text import format_number
from gristmill.util.table_io import read_document, read_table

OVERFITS, CHANCE, REPRODUCIBLE = "overfits a few examples", "starts at chance level", "trains reproducibly"

_MAX_LOSS_RATIO = 0.1  # maximum of last loss / first loss
_OVERFIT: dict[str, Any] = {
    "epochs": 100,
    "patience": None,
    "batch_size": 256,  # holds all examples: one update an epoch, so the first loss is that of the initial weights
    "optimizer": "adam",
    "learning_rate": "find",  # the pipeline's own rate is tuned for other batch sizes and many more updates
    "schedule": "constant",
    "clip_norm": 1.0,
    "label_smoothing": 0.0,
    "class_weights": None,
    "stop_accuracy": None,
    "stop_loss": 0.02,  # below a classifier's loss with one of eight examples wrong, which is at least ln 2 / 8
    "steps_per_epoch": None,
    "few_examples": "train",
}
_REPRODUCE: dict[str, Any] = {"epochs": 2, "patience": None, "few_examples": "train"}
_BATCHES_REPRODUCED = 5  # in each epoch
_MAX_CHANCE_RATIO = 1.5  # of the first loss to the loss of uniform probabilities


@dataclass(frozen=True)
class Check:
    """Result of one check."""

    name: str
    verdict: Literal["passed", "failed", "not applicable"]
    measured: str
    required: bool = True  # whether a failure makes `gristmill check` fail


@dataclass(frozen=True)
class TrainStage:
    """A pipeline's train stage and its inputs."""

    domain: str
    tables: Mapping[str, Settings]  # settings tables of the stage
    folders: Folders  # folders of its input artifacts, by stage
    files: tuple[Path, ...]  # of custom models and pretrained weights

    def with_few_examples(self, out: Path, max_examples: int | None = None) -> "TrainStage":
        """Return the stage with a few training examples, written below `out`, and an empty validation set."""
        folders = {name: out / name for name in self.folders}
        for folder in folders.values():
            folder.mkdir()
        domain_of(self.domain).few_examples.load()(self.folders, folders, max_examples)
        return replace(self, folders=folders)

    def with_settings(self, table: str, **values: Any) -> "TrainStage":
        """Return the stage with new values for settings of a table; keys that the table lacks are ignored."""
        settings = self.tables[table]
        known = {key: value for key, value in values.items() if key in type(settings).model_fields}
        return replace(self, tables={**self.tables, table: settings.model_copy(update=known)})

    def train(self, out: Path) -> Path | None:
        """Train and return the folder of the results; None for a model that has no epochs."""
        out.mkdir()
        stage = next(stage for stage in domain_of(self.domain).stages if stage.name == "train")
        outputs = {"scratch": out / "scratch", "logs": out / "logs", "out": out}
        counts = stage.load()(**self.tables, **self.folders, **outputs, files=self.files, on_epoch=lambda epoch: None)
        return out if "epochs" in counts else None


def checks(stage: TrainStage) -> Iterator[Check]:
    """Yield the result of each check as it ends: after seconds for a small network, a minute for a large one."""
    with TemporaryDirectory() as folder:
        yield from overfit(stage, Path(folder))
    with TemporaryDirectory() as folder:
        yield reproduce(stage, Path(folder))


def overfit(stage: TrainStage, folder: Path) -> Iterator[Check]:
    """Check whether the network overfits a few examples, and whether a classifier's first loss is that of chance.

    Dropout, augmentation and label smoothing are left out, and Adam trains at a learning rate from a range test. A
    network that fails does not see its input, gets wrong labels, or has a loss that does not fit them.

    Source: Karpathy, "A Recipe for Training Neural Networks", 2019; Goodfellow, Bengio and Courville, "Deep Learning",
    2016, section 11.5.
    """
    # Train on the examples without anything that keeps a network from fitting them.
    few = stage.with_few_examples(folder).with_settings("model", dropout=0.0).with_settings("train", **_OVERFIT)
    if "augment" in few.tables:
        few = replace(few, tables={**few.tables, "augment": type(few.tables["augment"])()})
    try:
        trained = few.train(folder / "train")
    except Diverged as error:
        yield Check(OVERFITS, "failed", str(error))
        return
    if trained is None:
        yield Check(OVERFITS, "not applicable", "the model is computed in closed form, not trained in steps")
        return
    # The network must fit them.
    epochs, layout = read_table(trained / "epochs.parquet"), read_document(few.folders["preprocess"] / "layout.json")
    losses, classes = epochs["loss"].to_numpy(), layout.get("classes")
    passed = losses[-1] <= _MAX_LOSS_RATIO * losses[0]
    change = f"loss {format_number(losses[0])} → {format_number(losses[-1], 2)} in {len(losses)} updates"
    measured = f"{change}, expected below {_MAX_LOSS_RATIO:.0%} of the first"
    if classes:
        accuracy = float(epochs["accuracy"].iloc[-1])
        passed = passed and accuracy == 1
        measured += f"; accuracy {accuracy:.0%}, expected 100%"
    yield Check(OVERFITS, "passed" if passed else "failed", measured)
    # Untrained, it should give every outcome about the same probability.
    if outcomes := len(classes) if classes else layout.get("vocabulary"):
        chance = math.log(outcomes)
        passed = losses[0] <= _MAX_CHANCE_RATIO * chance
        uniform = f"uniform probabilities of {outcomes:,} outcomes give {format_number(chance)}"
        measured = f"first loss {format_number(losses[0])}; {uniform}"
        yield Check(CHANCE, "passed" if passed else "failed", measured, required=False)


def reproduce(stage: TrainStage, folder: Path) -> Check:
    """Check whether two short trainings with the same seed end with the same weights, bit for bit."""
    settings: Any = stage.tables["train"]
    short = stage.with_few_examples(folder, _BATCHES_REPRODUCED * settings.batch_size)
    short = short.with_settings("train", **_REPRODUCE)
    digests, after = [], ""
    for name in ("first", "second"):
        try:
            after = f", after {_REPRODUCE['epochs']} short epochs each" if short.train(folder / name) else ""
        except Diverged as error:
            return Check(REPRODUCIBLE, "failed", str(error))
        digests.append(digest_of_file(folder / name / "weights.npz")[:12])
    if digests[0] == digests[1]:
        return Check(REPRODUCIBLE, "passed", f"weights {digests[0]} both times{after}")
    measured = f"weights {' and '.join(digests)}{after}: look for randomness without a seed in the model"
    return Check(REPRODUCIBLE, "failed", measured)

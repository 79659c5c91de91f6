"""Short trainings that show whether a pipeline's train stage works: it learns by heart, and twice the same.

Each is the stage itself, called on a part of the prepared data and in scratch folders: the network, the loss and the
feed are the pipeline's. How it learns by heart is not: `_BY_HEART` stands in for optimizer, rate and schedule, and what
keeps a network from it is left out, so whoever passes has shown that network and loss work, not that its settings train
them. Twice alike it trains by its own, over few batches and without patience.
"""

import importlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from gristmill.config.stages import module_of
from gristmill.domains.common.few_examples import Folders
from gristmill.errors import Diverged
from gristmill.keys import digest_of_file
from gristmill.settings.base import Settings
from gristmill.settings.messages import format_number
from gristmill.util.table_io import read_document, read_table

CheckVerdict = Literal["passed", "failed", "not applicable"]

LEARNED, CHANCE, REPRODUCIBLE = "learns a few examples by heart", "begins at chance", "trains twice alike"

_FALLEN = 0.1  # share of its start that the loss must fall below
_SURE = 0.02  # a classifier's loss at which each of a few examples is right: one that is not costs ln 2 / 8 in the mean
_BY_HEART: dict[str, Any] = {
    "epochs": 100,
    "patience": None,
    "batch_size": 256,  # holds all examples: one update an epoch, so that the first loss is that of the first weights
    "optimizer": "adam",
    "learning_rate": "find",  # the pipeline's own is meant for other batches, and thousands of them
    "schedule": "constant",
    "clip_norm": 1.0,
    "label_smoothing": 0.0,
    "class_weights": None,
    "stop_accuracy": None,
    "stop_loss": _SURE,
    "steps_per_epoch": None,
}
_SHORT: dict[str, Any] = {"epochs": 2, "patience": None}
_BATCHES = 5  # in each epoch of the trainings that are compared
_ABOVE = 1.5  # times the loss of chance that a first loss may be


@dataclass(frozen=True)
class Check:
    """What came of a check."""

    name: str
    verdict: CheckVerdict
    measured: str
    decides: bool = True  # whether the pipeline fails with it; else it is worth a look


@dataclass(frozen=True)
class Trainee:
    """A pipeline's train stage and what it reads."""

    domain: str
    tables: Mapping[str, Settings]  # the stage's own
    folders: Folders  # of the artifacts it reads, by stage
    files: tuple[Path, ...]  # of a user's own model, or its weights

    def cut(self, out: Path, most: int | None = None) -> "Trainee":
        """Return it with a few examples to train on and none to judge on, which are written below `out`."""
        made = {name: out / name for name in self.folders}
        for folder in made.values():
            folder.mkdir()
        importlib.import_module(f"gristmill.domains.{self.domain}.few_examples").cut(self.folders, made, most)
        return replace(self, folders=made)

    def with_settings(self, table: str, **values: Any) -> "Trainee":
        """Return it with other settings of a table, of those that the table has."""
        settings = self.tables[table]
        known = {key: value for key, value in values.items() if key in type(settings).model_fields}
        return replace(self, tables={**self.tables, table: settings.model_copy(update=known)})

    @property
    def layout(self) -> dict[str, Any]:
        """What preprocess tells of the form of its examples."""
        return dict(read_document(self.folders["preprocess"] / "layout.json"))

    def train(self, out: Path) -> Path | None:
        """Train and return the folder of what was written; None where nothing is learned epoch by epoch."""
        out.mkdir()
        core = importlib.import_module(module_of(self.domain, "train")).train
        places = {"scratch": out / "scratch", "logs": out / "logs", "out": out}
        counts = core(**self.tables, **self.folders, **places, files=self.files, on_epoch=lambda epoch: None)
        return out if "epochs" in counts else None


def checks(trainee: Trainee) -> Iterator[Check]:
    """Yield what comes of each check as it is done: seconds for a small network, a minute for a large one.

    Raises:
        RequestError: settings that do not go together.
    """
    with TemporaryDirectory() as folder:
        yield from by_heart(trainee, Path(folder))
    with TemporaryDirectory() as folder:
        yield twice(trainee, Path(folder))


def by_heart(trainee: Trainee, folder: Path) -> Iterator[Check]:
    """Yield whether the network learns a few examples by heart, and whether what tells classes begins at chance.

    Dropout, changed images and smoothed labels, which keep a network from learning by heart, are left out, and Adam
    takes its steps at a rate that is found. A network that cannot do it does not see its input, is given labels that
    are not its examples', or has a loss that does not fit them.

    Source: Karpathy, "A Recipe for Training Neural Networks", 2019; Goodfellow, Bengio and Courville, "Deep Learning",
    2016, section 11.5.
    """
    few = trainee.cut(folder).with_settings("model", dropout=0.0).with_settings("train", **_BY_HEART)
    if "augment" in few.tables:
        few = replace(few, tables={**few.tables, "augment": type(few.tables["augment"])()})
    try:
        trained = few.train(folder / "train")
    except Diverged as error:
        yield Check(LEARNED, "failed", str(error))
        return
    if trained is None:
        yield Check(LEARNED, "not applicable", "the model is solved for in closed form, not trained step by step")
        return
    epochs, layout = read_table(trained / "epochs.parquet"), few.layout
    losses, classes = epochs["loss"].to_numpy(), layout.get("classes")
    fell = f"loss {format_number(losses[0])} → {format_number(losses[-1], 2)}"
    told = f"{fell} in {len(losses)} updates, to fall below {_FALLEN:.0%} of its start"
    learned = losses[-1] <= _FALLEN * losses[0]
    if classes:
        right = float(epochs["accuracy"].iloc[-1])
        told, learned = f"{told}; accuracy {right:.0%}, to be 100%", learned and right == 1
    yield Check(LEARNED, "passed" if learned else "failed", told)
    if ways := len(classes) if classes else layout.get("vocabulary"):
        yield _at_chance(float(losses[0]), ways)


def _at_chance(loss: float, ways: int) -> Check:
    """Return whether a first loss is about that of a network that holds all ways for as likely: ln(ways)."""
    chance = math.log(ways)
    told = f"first loss {format_number(loss)}, where {ways:,} ways as likely as each other give {format_number(chance)}"
    return Check(CHANCE, "passed" if loss <= _ABOVE * chance else "failed", told, decides=False)


def twice(trainee: Trainee, folder: Path) -> Check:
    """Return whether two short trainings by the same seed end with the same weights, bit for bit."""
    settings: Any = trainee.tables["train"]
    short = trainee.cut(folder, most=_BATCHES * settings.batch_size).with_settings("train", **_SHORT)
    digests, how = [], ""
    for name in ("first", "second"):
        try:
            how = f", after {_SHORT['epochs']} short epochs each" if short.train(folder / name) else ""
        except Diverged as error:
            return Check(REPRODUCIBLE, "failed", str(error))
        digests.append(digest_of_file(folder / name / "weights.npz")[:12])
    if digests[0] == digests[1]:
        return Check(REPRODUCIBLE, "passed", f"weights {digests[0]} both times{how}")
    told = f"weights {' and '.join(digests)}{how}: look for randomness without a seed in the model"
    return Check(REPRODUCIBLE, "failed", told)

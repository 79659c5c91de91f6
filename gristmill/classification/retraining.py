"""What a retraining asks of any classifier: which examples are new, how the champion fares on them, who errs least."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill import examples
from gristmill.classification.predictions import Probabilities, misses, read_predictions
from gristmill.drift import look_at_mean_error, look_at_names
from gristmill.examples import CONTENT
from gristmill.judgement import Contest
from gristmill.retraining import CHALLENGER, CHAMPION, Drift, InputDrift, News, incomparable
from gristmill.tables import read_document, read_table

Folders = Mapping[str, Path]  # of artifacts, by stage


@dataclass(frozen=True)
class Kind:
    """How a domain keeps its examples, and how it shows them to a champion."""

    table: str  # ingest's, a row an example: id, label (position of the class), part (of the source, or missing)
    content: str  # the column by which two examples are the same
    judge: Callable[[Path, Path, pd.DataFrame], Probabilities]  # folders of export and ingest, rows of the table
    looks: Callable[["Fresh"], list[InputDrift]]  # how far the examples themselves have moved


@dataclass(frozen=True)
class Ingested:
    """Examples as ingest left them."""

    folder: Path
    rows: pd.DataFrame
    contents: "pd.Series[str]"  # of each row
    classes: list[str]

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The class of each row."""
        return np.array(self.classes, object)[self.rows["label"]]

    def of(self, index: pd.DataFrame) -> "Ingested":
        """Return the examples that an index names, in its order."""
        rows = self.rows.set_index("id").loc[index["id"]].reset_index()
        contents = self.contents.set_axis(self.rows["id"]).loc[index["id"]].reset_index(drop=True)
        return Ingested(self.folder, rows, contents, self.classes)


@dataclass(frozen=True)
class Fresh:
    """Examples that a champion has not seen, and what it was trained on."""

    now: Ingested  # all that is ingested now
    rows: pd.DataFrame  # those of it that are new, a row at least
    known: Ingested  # the champion's test part
    champion: Folders


def news(kind: Kind, ingest: Path, before: Path | None) -> News:
    """Count the examples that are not among earlier ones, those of another class or part, and those that are gone.

    Args:
        kind: how the domain keeps them.
        ingest: folder of the examples.
        before: folder of the earlier ones; None if there are none.
    """
    return examples.compared(_said(_ingested(kind, ingest)), _said(_ingested(kind, before)) if before else None)


def drift(kind: Kind, ingest: Path, champion: Folders) -> Drift:
    """Score the champion on examples that it has not seen, and compare these with those that it has.

    Args:
        kind: how the domain keeps and judges examples.
        ingest: folder of the examples.
        champion: folders of its artifacts.
    """
    now, before = _ingested(kind, ingest), _ingested(kind, champion["ingest"])
    _refuse_other_classes(now, before)
    new = ~now.contents.isin(before.contents).to_numpy()
    rows, labels = now.rows[new], now.labels[new]
    if rows.empty:
        return Drift(errors=None, inputs=[])
    index = read_table(champion["preprocess"] / "index.parquet")
    trained, tested = (before.of(index[index["part"] == part]) for part in ("train", "test"))
    return Drift(
        errors=look_at_mean_error(
            _misses(kind.judge(champion["export"], ingest, rows), labels, now.classes),
            misses(read_predictions(champion["evaluate"], "test")),
        ),
        inputs=[
            look_at_names("label", labels, trained.labels),
            *kind.looks(Fresh(now, rows, tested, champion)),
        ],
    )


def contest(kind: Kind, challenger: Folders, champion: Folders | None) -> Contest:
    """Return the errors, 0 or 1, of challenger, baselines and champion on the challenger's test part.

    Beside a champion those examples count that neither was trained or chosen on.

    Args:
        kind: how the domain keeps and judges examples.
        challenger: folders of its artifacts.
        champion: folders of the champion's artifacts; None without one.
    """
    rows = read_predictions(challenger["evaluate"], "test")
    baselines = read_document(challenger["evaluate"] / "scores.json")["baselines"]
    errors = {CHALLENGER: misses(rows)} | {name: misses(rows, name) for name in baselines}
    if champion is not None:
        now, before = _ingested(kind, challenger["ingest"]), _ingested(kind, champion["ingest"])
        _refuse_other_classes(now, before)
        tested = now.of(rows)
        learned = [_learned(own, folders) for own, folders in ((now, challenger), (before, champion))]
        left = examples.unlearned(tested.contents, *learned)
        errors = {name: made[left] for name, made in errors.items()}
        judged = kind.judge(champion["export"], challenger["ingest"], tested.rows[left])
        errors[CHAMPION] = _misses(judged, tested.labels[left], now.classes)
    return Contest("error rate", errors)


def _ingested(kind: Kind, ingest: Path) -> Ingested:
    rows = read_table(ingest / kind.table)
    return Ingested(ingest, rows, rows[kind.content], read_document(ingest / "summary.json")["classes"])


def _said(found: Ingested) -> pd.DataFrame:
    """Return content, class and part of examples."""
    return pd.DataFrame({CONTENT: found.contents, "label": found.labels, "part": found.rows["part"].fillna("")})


def _learned(found: Ingested, folders: Folders) -> "pd.Series[str]":
    """Return the contents of what a model was trained and chosen on."""
    index = read_table(folders["preprocess"] / "index.parquet")
    return found.of(index[index["part"] != "test"]).contents


def _misses(
    probabilities: Probabilities, labels: npt.NDArray[np.object_], classes: list[str]
) -> npt.NDArray[np.float64]:
    """Return 1 for each example that is taken for another class, else 0."""
    missed: npt.NDArray[np.float64] = (np.array(classes, object)[probabilities.argmax(axis=1)] != labels).astype(float)
    return missed


def _refuse_other_classes(now: Ingested, before: Ingested) -> None:
    if now.classes != before.classes:
        raise incomparable(
            f"the champion's classes are {', '.join(before.classes)}, those of the data {', '.join(now.classes)}"
        )

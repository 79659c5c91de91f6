"""Retraining of classifiers: new examples, drift, and the errors of champion, challenger and baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import TOGETHER
from gristmill.domains.common.classification.predictions import Probabilities, misclassified, read_predictions
from gristmill.errors import short_repr
from gristmill.retraining import example_diff
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import CONTENT
from gristmill.retraining.example_drift import category_drift, example_error_drift
from gristmill.retraining.gate import Contest
from gristmill.runs import retraining_record as record
from gristmill.runs.retraining_record import Champion, DataChanges, Drift, Folders, InputDrift, LostRows
from gristmill.runs.scores import FILE as SCORES_FILE
from gristmill.runs.scores import Scores
from gristmill.util.table_io import read_document, read_table

Values = npt.NDArray[np.float64]

_COMPARED = (CONTENT, "label", "part")  # columns whose change counts


@dataclass(frozen=True)
class IngestedExamples:
    """Examples in an artifact of ingest."""

    folder: Path
    rows: pd.DataFrame
    content: str  # the column that identifies an example
    classes: list[str]

    @property
    def contents(self) -> "pd.Series[str]":
        """The content of each row."""
        return self.rows[self.content]

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The class of each row."""
        return np.array(self.classes, object)[self.rows["label"]]

    def part(self, preprocess: Path, *names: str) -> "IngestedExamples":
        """Return the examples of some parts of a split, in its order."""
        index = read_table(preprocess / "index.parquet")
        ids = index["id"][index["part"].isin(names)]
        return replace(self, rows=self.rows.set_index("id").loc[ids].reset_index())


@dataclass(frozen=True)
class NewExamples:
    """Examples that a champion has not seen, and the data that it was trained on."""

    now: IngestedExamples  # all currently ingested examples
    rows: pd.DataFrame  # the new ones, at least one row
    known: IngestedExamples  # the champion's test set
    champion: Folders


@dataclass(frozen=True)
class ClassifierRetraining(DomainRetraining):
    """Retraining functions of a domain, by how it stores its examples and shows them to a champion."""

    table: str  # in ingest's artifact, one row per example: id, label (position of the class), part (or missing)
    content: str  # the column that identifies an example
    classify: Callable[[Path, Path, pd.DataFrame], Probabilities]  # arguments: folders of export and ingest, rows
    input_drift: Callable[[NewExamples], list[InputDrift]]

    def news(self, ingest: Path, before: Path | None) -> DataChanges:
        """Count examples that are new, revised (of another class or part) and removed."""
        return example_diff.compare_examples(
            _compared(self._ingested(ingest)), _compared(self._ingested(before)) if before else None
        )

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the examples that were added, changed (of another class or part) or lost, and their ids."""
        now, then = (self._ingested(folder) for folder in (ingest, before))
        rows, earlier = (
            _compared(one).assign(id=one.rows["id"], **{self.content: one.contents}) for one in (now, then)
        )
        return example_diff.diff_examples(rows, earlier, list(_COMPARED))

    def lost(self, ingest: Path, before: Path) -> LostRows:
        """Count the earlier examples that are missing."""
        now, then = self._ingested(ingest), self._ingested(before)
        return example_diff.lost_examples(now.contents, then.contents, lambda at: short_repr(then.rows["id"].iloc[at]))

    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Score the champion on examples that it has not seen, and compare them with its training data."""
        folders = champion.folders
        now, before = self._comparable(ingest, folders)
        new = replace(now, rows=now.rows[~now.contents.isin(before.contents).to_numpy()])
        if new.rows.empty:
            return Drift(errors=None, inputs=[])
        trained, tested = (before.part(folders["preprocess"], part) for part in ("train", "test"))
        return combine_signs(
            errors=example_error_drift(
                self._misses(folders["export"], new),
                misclassified(read_predictions(folders["evaluate"], "test")),
            ),
            inputs=[
                category_drift("label", new.labels, trained.labels),
                *self.input_drift(NewExamples(now, new.rows, tested, folders)),
            ],
        )

    def judgeable(self, challenger: Folders, champion: Champion) -> int:
        """Count the examples of the challenger's test set that neither model was trained or selected on."""
        return len(self._unseen(challenger, champion).rows)

    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> Contest:
        """Return the errors of challenger, baselines and champion on the challenger's test set.

        With a champion, only examples that neither model was trained or selected on are used. For the errors see
        `contest_of_classes`.
        """
        rows, errors = read_predictions(challenger["evaluate"], "test"), {}
        if champion is not None:
            unseen = self._unseen(challenger, champion)
            rows = rows.set_index("id").loc[unseen.rows["id"]]
            errors[record.CHAMPION] = self._misses(champion.folders["export"], unseen)
        baselines = Scores.read(challenger["evaluate"]).baselines
        errors |= {record.CHALLENGER: misclassified(rows)} | {name: misclassified(rows, name) for name in baselines}
        return contest_of_classes(errors, rows["label"], challenger, champion)

    def _misses(self, export: Path, examples: IngestedExamples) -> npt.NDArray[np.float64]:
        """Return 1 for each example that a bundle puts in another class, else 0."""
        classified = self.classify(export, examples.folder, examples.rows)
        predicted = np.array(examples.classes, object)[Decision.read(export).labels(classified)]
        return np.asarray((predicted != examples.labels).astype(np.float64))

    def _unseen(self, challenger: Folders, champion: Champion) -> IngestedExamples:
        """Return test examples that neither model was trained or selected on, nor on their copies or groups."""
        now, before = self._comparable(challenger["ingest"], champion.folders)
        tested = now.part(challenger["preprocess"], "test")
        own, known = (
            ingested.part(folders["preprocess"], "train", "validation").contents
            for ingested, folders in ((now, challenger), (before, champion.folders))
        )
        unseen = example_diff.unseen_examples(tested.contents, own, known)
        index = read_table(challenger["preprocess"] / "index.parquet")
        if TOGETHER in index:
            group = index.set_index("id")[TOGETHER]
            groups_known = group[now.rows["id"][now.contents.isin(known)].unique()]
            unseen &= ~group[tested.rows["id"]].isin(groups_known).to_numpy()
        return replace(tested, rows=tested.rows[unseen])

    def _comparable(self, ingest: Path, champion: Folders) -> tuple[IngestedExamples, IngestedExamples]:
        """Return current examples and those of the champion, which must have the same classes."""
        now, before = self._ingested(ingest), self._ingested(champion["ingest"])
        if now.classes != before.classes:
            raise record.incomparable_error(
                f"the champion's classes are {', '.join(before.classes)}, those of the data {', '.join(now.classes)}"
            )
        return now, before

    def _ingested(self, ingest: Path) -> IngestedExamples:
        rows = read_table(ingest / self.table)
        return IngestedExamples(ingest, rows, self.content, read_document(ingest / "summary.json")["classes"])


def contest_of_classes(
    missed: Mapping[str, Values], truth: "pd.Series[Any]", challenger: Folders, champion: Champion | None
) -> Contest:
    """Return the contest of classifiers, given 1 for each example of a wrong class, else 0; `truth` has the classes.

    With a threshold, the examples have the weights of their errors' costs by that of the champion, so that several
    challengers can be compared, or by that of the challenger if the champion has none.
    """
    decision = Decision.read(challenger["evaluate"])
    if decision.threshold is None:
        return Contest("error rate", dict(missed))
    if champion is not None:
        served = Decision.read(champion.folders["export"])
        decision = decision if served.threshold is None else served
    second = read_document(challenger["evaluate"] / SCORES_FILE)["classes"][1]
    weights = decision.error_costs((truth == second).to_numpy())
    return Contest("weighted error rate", dict(missed), weights=weights)


def _compared(data: IngestedExamples) -> pd.DataFrame:
    """Return content, class and part of examples."""
    columns = (data.contents, data.labels, data.rows["part"].fillna(""))
    return pd.DataFrame(dict(zip(_COMPARED, columns, strict=True)))

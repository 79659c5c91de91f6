"""Retraining on examples without an order in time: texts, photos and the rows of a table.

A domain defines how to read its examples and how to predict them with a champion. This module finds new examples and
drift, and compares models.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import TOGETHER
from gristmill.domains.common.classification.predictions import Probabilities, misclassified, read_predictions
from gristmill.errors import CorruptArtifact, short_repr
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import (
    CONTENT,
    Mask,
    compare_examples,
    diff_examples,
    lost_examples,
    unseen_examples,
)
from gristmill.retraining.example_drift import category_drift, example_error_drift
from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import (
    CHALLENGER,
    CHAMPION,
    Champion,
    DataChanges,
    Drift,
    Folders,
    InputDrift,
    LostRows,
    incomparable_error,
)
from gristmill.scores import FILE, MODEL, Scores
from gristmill.util.table_io import read_document, read_table

Values = npt.NDArray[np.float64]
_COMPARED = [CONTENT, "label", "part"]  # columns of classified examples whose change counts


class ExampleRetraining(DomainRetraining):
    """Retraining of a domain whose examples are identified by their content (`CONTENT`)."""

    noun = "examples"

    @abstractmethod
    def compared_columns(self, ingest: Path) -> pd.DataFrame:
        """Return the content of each ingested example, and the other columns whose change counts."""

    @abstractmethod
    def describe_example(self, ingest: Path, at: int) -> str:
        """Return the name of the ingested example at a position, for a message."""

    @abstractmethod
    def new_examples(self, ingest: Path, champion: Folders) -> pd.DataFrame:
        """Return the ingested examples that a champion has not seen and can predict."""

    @abstractmethod
    def unseen_test_examples(self, challenger: Folders, champion: Folders) -> tuple[pd.DataFrame, Mask]:
        """Return the test examples of a challenger, and which of them both models can predict without knowing them.

        The examples are in the order of the challenger's predictions. A model knows examples that it was trained or
        selected on, their copies, and others of their groups.
        """

    @abstractmethod
    def errors(self, champion: Folders, ingest: Path, examples: pd.DataFrame) -> Values:
        """Return the errors of a champion's bundle on ingested examples, as `errors_on_test` measures them."""

    @abstractmethod
    def input_drift(self, ingest: Path, examples: pd.DataFrame, champion: Folders) -> list[InputDrift]:
        """Compare new examples with those of a champion."""

    def new_rows(self, ingest: Path, before: Path | None) -> DataChanges:
        """Count new, revised and removed examples."""
        return compare_examples(self.compared_columns(ingest), self.compared_columns(before) if before else None)

    def missing_rows(self, ingest: Path, before: Path) -> LostRows:
        """Count the earlier examples that are missing."""
        now, then = (self.compared_columns(folder)[CONTENT] for folder in (ingest, before))
        return lost_examples(now, then, partial(self.describe_example, before), self.noun)

    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Score the champion on examples that it has not seen, and compare them with its own data."""
        folders = champion.folders
        examples = self.new_examples(ingest, folders)
        if examples.empty:
            return Drift(errors=None, inputs=[])
        tested = errors_on_test(read_predictions(folders["evaluate"], "test"))
        return combine_signs(
            errors=example_error_drift(self.errors(folders, ingest, examples), tested),
            inputs=self.input_drift(ingest, examples, folders),
        )

    def judgeable(self, challenger: Folders, champion: Champion | None) -> int:
        """Count the examples of the challenger's test set that neither it nor the champion knows."""
        _, unseen = self.unseen_test_examples(challenger, champion.folders if champion else challenger)
        return int(unseen.sum())

    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> Contest:
        """Return the errors of challenger, baselines and champion on the challenger's test set.

        With a champion, only examples that neither model knows are used.
        """
        rows = read_predictions(challenger["evaluate"], "test")
        errors = {CHALLENGER: errors_on_test(rows)}
        errors |= {name: errors_on_test(rows, name) for name in Scores.read(challenger["evaluate"]).baselines}
        if champion is not None:
            tested, unseen = self.unseen_test_examples(challenger, champion.folders)
            if "id" in tested and tested["id"].tolist() != rows["id"].tolist():
                raise CorruptArtifact(f"{challenger['evaluate']}: predictions are not of the test set. Run again.")
            rows, errors = rows[unseen], {name: values[unseen] for name, values in errors.items()}
            errors[CHAMPION] = self.errors(champion.folders, challenger["ingest"], tested[unseen])
        if has_numbers(rows):
            return Contest("mae", errors)
        return contest_of_classes(errors, rows["label"], challenger, champion)


@dataclass(frozen=True)
class IngestedExamples:
    """Examples in an artifact of ingest: `id`, `label` (name of the class), `part`, `CONTENT`, and other columns."""

    folder: Path
    rows: pd.DataFrame
    classes: list[str]

    def part(self, preprocess: Path, *names: str) -> "IngestedExamples":
        """Return the examples of some parts of a split, in its order."""
        index = read_table(preprocess / "index.parquet")
        ids = index["id"][index["part"].isin(names)]
        return replace(self, rows=self.rows.set_index("id").loc[ids].reset_index())


class ClassifierRetraining(ExampleRetraining):
    """Retraining of a domain whose examples have a class each."""

    table: str  # in ingest's artifact, one row per example: id, label (position of the class), part (or missing)
    content: str  # the column that identifies an example

    @abstractmethod
    def classify(self, export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
        """Return the probabilities that a champion's bundle gives of ingested examples."""

    @abstractmethod
    def content_drift(self, new: IngestedExamples, tested: IngestedExamples, champion: Folders) -> list[InputDrift]:
        """Compare the content of new examples with that of the champion's test set."""

    def compared_columns(self, ingest: Path) -> pd.DataFrame:
        """Return content, class and part of the ingested examples."""
        return self._read(ingest).rows[_COMPARED]

    def describe_example(self, ingest: Path, at: int) -> str:
        """Return the id of an ingested example."""
        return short_repr(self._read(ingest).rows["id"].iloc[at])

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the examples that were added, changed (of another class or part) or lost, and their ids."""
        now, then = (self._read(folder).rows[[*_COMPARED, "id", self.content]] for folder in (ingest, before))
        return diff_examples(now, then, _COMPARED)

    def new_examples(self, ingest: Path, champion: Folders) -> pd.DataFrame:
        """Return the ingested examples whose content is not in the champion's data."""
        now, before = self._read_comparable(ingest, champion)
        return now.rows[~now.rows[CONTENT].isin(before.rows[CONTENT]).to_numpy()]

    def unseen_test_examples(self, challenger: Folders, champion: Folders) -> tuple[pd.DataFrame, Mask]:
        """Return the test examples of a challenger, and which of them neither model knows."""
        now, before = self._read_comparable(challenger["ingest"], champion)
        tested = now.part(challenger["preprocess"], "test").rows
        own = now.part(challenger["preprocess"], "train", "validation").rows[CONTENT]
        known = before.part(champion["preprocess"], "train", "validation").rows[CONTENT]
        unseen = unseen_examples(tested[CONTENT], own, known)
        index = read_table(challenger["preprocess"] / "index.parquet")
        if TOGETHER in index:
            group = index.set_index("id")[TOGETHER]
            groups_known = group[now.rows["id"][now.rows[CONTENT].isin(known)].unique()]
            unseen &= ~group[tested["id"]].isin(groups_known).to_numpy()
        return tested, unseen

    def errors(self, champion: Folders, ingest: Path, examples: pd.DataFrame) -> Values:
        """Return 1 for each example that the champion's bundle puts in another class, else 0."""
        labels = Decision.read(champion["export"]).labels(self.classify(champion["export"], ingest, examples))
        predicted = np.array(self._read(ingest).classes, object)[labels]
        return np.asarray((predicted != examples["label"].to_numpy(object)).astype(np.float64))

    def input_drift(self, ingest: Path, examples: pd.DataFrame, champion: Folders) -> list[InputDrift]:
        """Compare the classes of new examples with the training data, and their content with the test set."""
        new, before = replace(self._read(ingest), rows=examples), self._read(champion["ingest"])
        trained, tested = (before.part(champion["preprocess"], part) for part in ("train", "test"))
        labels = category_drift("label", new.rows["label"], trained.rows["label"])
        return [labels, *self.content_drift(new, tested, champion)]

    def _read_comparable(self, ingest: Path, champion: Folders) -> tuple[IngestedExamples, IngestedExamples]:
        """Return current examples and those of the champion, which must have the same classes."""
        now, before = self._read(ingest), self._read(champion["ingest"])
        if now.classes != before.classes:
            raise incomparable_error(
                f"the champion's classes are {', '.join(before.classes)}, those of the data {', '.join(now.classes)}"
            )
        return now, before

    def _read(self, ingest: Path) -> IngestedExamples:
        classes = read_document(ingest / "summary.json")["classes"]
        rows = read_table(ingest / self.table)
        labels = np.array(classes, object)[rows["label"]]
        rows = rows.assign(label=labels, part=rows["part"].fillna(""), **{CONTENT: rows[self.content]})
        return IngestedExamples(ingest, rows, classes)


def errors_on_test(rows: pd.DataFrame, name: str = MODEL) -> Values:
    """Return the errors of the model or a baseline in the predictions that evaluate wrote.

    They are absolute errors of numbers, or 1 for a wrong class and 0 for the right one.
    """
    if has_numbers(rows):
        return np.asarray(np.abs(rows["y"].to_numpy() - rows[name].to_numpy()))
    return misclassified(rows, None if name == MODEL else name)


def has_numbers(rows: pd.DataFrame) -> bool:
    """Return whether the predictions that evaluate wrote are numbers, not classes."""
    return "y" in rows  # no column of predicted classes has this name


def contest_of_classes(
    missed: Mapping[str, Values], truth: "pd.Series[str]", challenger: Folders, champion: Champion | None
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
    second = read_document(challenger["evaluate"] / FILE)["classes"][1]
    weights = decision.error_costs((truth == second).to_numpy())
    return Contest("weighted error rate", dict(missed), weights=weights)

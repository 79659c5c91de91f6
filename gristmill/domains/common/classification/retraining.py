"""Retraining of classifiers of texts and photos."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.labelled import TOGETHER
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.retraining import ExampleRetraining, Values
from gristmill.errors import short_repr
from gristmill.retraining.example_diff import CONTENT, Mask, diff_examples, unseen_examples
from gristmill.retraining.example_drift import category_drift
from gristmill.runs import retraining_record as record
from gristmill.runs.retraining_record import Folders, InputDrift
from gristmill.util.table_io import read_document, read_table

_COMPARED = [CONTENT, "label", "part"]  # columns whose change counts


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

    @property
    def compared(self) -> pd.DataFrame:
        """Content, class and part of each row."""
        columns = (self.contents, self.labels, self.rows["part"].fillna(""))
        return pd.DataFrame(dict(zip(_COMPARED, columns, strict=True)))

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
        return self._ingested(ingest).compared

    def describe_example(self, ingest: Path, at: int) -> str:
        """Return the id of an ingested example."""
        return short_repr(self._ingested(ingest).rows["id"].iloc[at])

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the examples that were added, changed (of another class or part) or lost, and their ids."""
        found = (self._ingested(folder) for folder in (ingest, before))
        now, then = (one.compared.assign(id=one.rows["id"], **{self.content: one.contents}) for one in found)
        return diff_examples(now, then, _COMPARED)

    def new_examples(self, ingest: Path, champion: Folders) -> pd.DataFrame:
        """Return the ingested examples whose content is not in the champion's data."""
        now, before = self._comparable(ingest, champion)
        return now.rows[~now.contents.isin(before.contents).to_numpy()]

    def unseen_test_examples(self, challenger: Folders, champion: Folders) -> tuple[pd.DataFrame, Mask]:
        """Return the test examples of a challenger, and which of them neither model knows."""
        now, before = self._comparable(challenger["ingest"], champion)
        tested = now.part(challenger["preprocess"], "test")
        own, known = (
            ingested.part(folders["preprocess"], "train", "validation").contents
            for ingested, folders in ((now, challenger), (before, champion))
        )
        unseen = unseen_examples(tested.contents, own, known)
        index = read_table(challenger["preprocess"] / "index.parquet")
        if TOGETHER in index:
            group = index.set_index("id")[TOGETHER]
            groups_known = group[now.rows["id"][now.contents.isin(known)].unique()]
            unseen &= ~group[tested.rows["id"]].isin(groups_known).to_numpy()
        return tested.rows, unseen

    def errors(self, champion: Folders, ingest: Path, examples: pd.DataFrame) -> Values:
        """Return 1 for each example that the champion's bundle puts in another class, else 0."""
        classes, export = np.array(self._ingested(ingest).classes, object), champion["export"]
        predicted = classes[Decision.read(export).labels(self.classify(export, ingest, examples))]
        return np.asarray((predicted != classes[examples["label"]]).astype(np.float64))

    def input_drift(self, ingest: Path, examples: pd.DataFrame, champion: Folders) -> list[InputDrift]:
        """Compare the classes of new examples with the training data, and their content with the test set."""
        new, before = replace(self._ingested(ingest), rows=examples), self._ingested(champion["ingest"])
        trained, tested = (before.part(champion["preprocess"], part) for part in ("train", "test"))
        return [
            category_drift("label", new.labels, trained.labels),
            *self.content_drift(new, tested, champion),
        ]

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

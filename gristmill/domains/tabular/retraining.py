"""Retraining on tables: new rows, drift, and the errors of champion, challenger and baselines."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.retraining import ExampleRetraining, Values
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout, Prepared
from gristmill.domains.tabular.ingest import is_empty
from gristmill.errors import RequestError, short_repr
from gristmill.export import bundle
from gristmill.retraining.example_diff import CONTENT, Mask, diff_examples, shared_columns, unseen_examples
from gristmill.retraining.example_drift import input_drift
from gristmill.runs import retraining_record as record
from gristmill.runs.retraining_record import DataChanges, Folders, InputDrift
from gristmill.util.table_io import read_document, read_table

_ROLES = ("numbers", "categories", "dates", "texts")


class TableRetraining(ExampleRetraining):
    """Retraining of tables; a changed row is both new and removed."""

    noun = "rows"

    def compared_columns(self, ingest: Path) -> pd.DataFrame:
        """Return the content of each ingested row."""
        return _contents(read_table(ingest / "table.parquet")).to_frame()

    def describe_example(self, ingest: Path, at: int) -> str:
        """Return the values of an ingested row."""
        (row,) = read_table(ingest / "table.parquet").iloc[[at]].to_dict("records")
        return ", ".join(f"{column} = {short_repr(value)}" for column, value in row.items())

    def new_rows(self, ingest: Path, before: Path | None) -> DataChanges:
        """Count new and removed rows, which must have the same columns."""
        if before is not None:
            summary, earlier = (read_document(folder / "summary.json") for folder in (ingest, before))
            for setting in ("target", "classes", *_ROLES):
                names, known = summary.get(setting, []), earlier.get(setting, [])
                if sorted(names) != sorted(known):
                    raise _incomparable(setting, known, names)
        return super().new_rows(ingest, before)

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the rows that were added or lost.

        Raises:
            RequestError: no column has the same name and type in both.
        """
        tables = [read_table(folder / "table.parquet") for folder in (ingest, before)]
        shared = shared_columns(*tables)
        if not shared:
            raise RequestError("no column has the same name and type in both versions: their data cannot be compared.")
        now, then = (table.assign(**{CONTENT: _contents(table[shared])}) for table in tables)
        return diff_examples(now, then, [*shared, CONTENT])

    def new_examples(self, ingest: Path, champion: Folders) -> pd.DataFrame:
        """Return the ingested rows that a champion has not seen and can predict."""
        known = _check_and_read(ingest, champion)
        table = read_table(ingest / "table.parquet")
        is_known = _contents(table, known.layout).isin(_contents(known.table, known.layout)).to_numpy()
        return table[~is_known & _predictable(table, known.layout)]

    def unseen_test_examples(self, challenger: Folders, champion: Folders) -> tuple[pd.DataFrame, Mask]:
        """Return the test rows of a challenger, and a mask of those new to both models that both predict."""
        data, known = dataset.read(challenger["preprocess"]), _check_and_read(challenger["ingest"], champion)
        is_test, is_known = data.parts == "test", known.parts != "test"
        tested, learned = data.table[is_test], known.table[is_known]
        contents = _contents(data.table, known.layout)
        known_contents = _contents(known.table, known.layout)
        unseen = unseen_examples(contents[is_test], contents[~is_test], known_contents[is_known])
        if data.layout.group and data.layout.group in learned:
            groups = learned[data.layout.group]
            unseen &= ~tested[data.layout.group].isin(groups[~is_empty(groups)]).to_numpy()
        return tested, unseen & _predictable(tested, known.layout)

    def errors(self, champion: Folders, ingest: Path, examples: pd.DataFrame) -> Values:
        """Return the champion's absolute errors, or 1 for a wrong class and 0 for the right one."""
        layout = dataset.read(champion["preprocess"]).layout
        predicted: Values = bundle.load(champion["export"])(layout.inputs(examples)).astype(np.float64)
        truth = examples[layout.target]
        if not layout.classes:
            return np.asarray(np.abs(truth.to_numpy(np.float64) - predicted[:, 0]))
        named = np.array(layout.classes, object)[Decision.read(champion["export"]).labels(predicted)]
        return np.asarray(named != truth.to_numpy(object), np.float64)

    def input_drift(self, ingest: Path, examples: pd.DataFrame, champion: Folders) -> list[InputDrift]:
        """Compare the columns of new rows with those of the champion's training rows."""
        known = dataset.read(champion["preprocess"])
        numbers, categories = [*known.layout.numbers], [*known.layout.categories]
        (categories if known.layout.classes else numbers).append(known.layout.target)
        return input_drift(examples, known.table[known.parts == "train"], numbers, categories)


def _check_and_read(ingest: Path, champion: Folders) -> Prepared:
    """Return a champion's data after checking that the champion can predict an ingested table.

    Raises:
        RequestError: the table lacks a column that the champion reads, or has another target or other classes.
    """
    known, summary = dataset.read(champion["preprocess"]), read_document(ingest / "summary.json")
    for setting, names in (("target", known.layout.target), ("classes", known.layout.classes)):
        if summary.get(setting, []) != names:
            raise _incomparable(setting, names, summary.get(setting, []))
    for role, columns in known.layout.inputs_by_role.items():
        if not set(columns) <= set(summary.get(role, [])):
            raise _incomparable(role, columns, summary.get(role, []))
    return known


def _predictable(rows: pd.DataFrame, layout: Layout) -> Mask:
    """Return which rows a champion predicts: one of an earlier version, which has no medians, none with empty cells."""
    if layout.median or not layout.numbers:
        return np.ones(len(rows), bool)
    return rows[layout.numbers].notna().all(axis=1).to_numpy()


def _contents(table: pd.DataFrame, layout: Layout | None = None) -> "pd.Series[Any]":
    """Return a hash of each row that does not depend on the order of the columns; those of a layout if it is given."""
    columns = sorted(table.columns) if layout is None else sorted([*layout.columns, layout.target])
    return pd.util.hash_pandas_object(table[columns], index=False).rename(CONTENT)


def _incomparable(setting: str, known: Any, received: Any) -> RequestError:
    return record.incomparable_error(f"the champion's {setting} are {known}, those of the data {received}")


RETRAINING = TableRetraining()

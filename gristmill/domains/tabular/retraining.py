"""Retraining on tables: new rows, drift, and the errors of champion, challenger and baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import misclassified, read_predictions
from gristmill.domains.common.classification.retraining import contest_of_classes
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.domains.tabular.ingest import is_empty
from gristmill.errors import RequestError, short_repr
from gristmill.export import bundle
from gristmill.retraining import example_diff
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import CONTENT, Mask
from gristmill.retraining.example_drift import example_error_drift, input_drift
from gristmill.retraining.gate import Contest
from gristmill.runs import retraining_record as record
from gristmill.runs.retraining_record import Champion, DataChanges, Drift, Folders, LostRows
from gristmill.runs.scores import MODEL, Scores
from gristmill.util.table_io import read_document, read_table


class TableRetraining(DomainRetraining):
    """Retraining of tables: rows have no order."""

    def news(self, ingest: Path, before: Path | None) -> DataChanges:
        """Count new and removed rows; a changed row is both."""
        now = read_table(ingest / "table.parquet")
        if before is None:
            return example_diff.compare_examples(_contents(now).to_frame(), None)
        then = read_table(before / "table.parquet")
        _check_same_columns(*(read_document(folder / "summary.json") for folder in (ingest, before)))
        return example_diff.compare_examples(_contents(now).to_frame(), _contents(then).to_frame())

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the rows that were added or lost; a changed row is both.

        Raises:
            RequestError: no column has the same name and type in both.
        """
        tables = [read_table(folder / "table.parquet") for folder in (ingest, before)]
        shared = example_diff.shared_columns(*tables)
        if not shared:
            raise RequestError("no column has the same name and type in both versions: their data cannot be compared.")
        now, then = (table.assign(**{CONTENT: _contents(table[shared])}) for table in tables)
        return example_diff.diff_examples(now, then, [*shared, CONTENT])

    def lost(self, ingest: Path, before: Path) -> LostRows:
        """Count the earlier rows that are missing."""
        now, then = (read_table(folder / "table.parquet") for folder in (ingest, before))

        def name(at: int) -> str:
            return ", ".join(
                f"{column} = {short_repr(value)}" for column, value in then.iloc[[at]].to_dict("records")[0].items()
            )

        return example_diff.lost_examples(_contents(now), _contents(then), name, "rows")

    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Score the champion on rows that it has not seen, and compare them with its training data."""
        folders = champion.folders
        table, known = read_table(ingest / "table.parquet"), dataset.read(folders["preprocess"])
        layout = known.layout
        _check_readable(ingest, layout)
        new = table[
            ~_contents(table, layout).isin(_contents(known.table, layout)).to_numpy() & _predictable(table, layout)
        ]
        if new.empty:
            return Drift(errors=None, inputs=[])
        trained, tested = known.table[known.parts == "train"], _test_predictions(folders)
        numbers, categories = [*layout.numbers], [*layout.categories]
        (categories if layout.classes else numbers).append(layout.target)
        return combine_signs(
            errors=example_error_drift(_champion_errors(folders, layout, new), errors_on_test(tested, layout)),
            inputs=input_drift(new, trained, numbers, categories),
        )

    def judgeable(self, challenger: Folders, champion: Champion) -> int:
        """Count the rows of the challenger's test set that neither model was trained or selected on."""
        known = dataset.read(champion.folders["preprocess"])
        _check_readable(challenger["ingest"], known.layout)
        return int(_unseen_rows(dataset.read(challenger["preprocess"]), known).sum())

    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> Contest:
        """Return the errors of challenger, baselines and champion on the challenger's test set.

        With a champion, only rows that neither model was trained or selected on are used. The error of a number is the
        absolute one; for that of a class see `contest_of_classes`.
        """
        data, rows = dataset.read(challenger["preprocess"]), _test_predictions(challenger)
        baselines = Scores.read(challenger["evaluate"]).baselines
        errors = {record.CHALLENGER: errors_on_test(rows, data.layout)}
        errors |= {name: errors_on_test(rows, data.layout, name) for name in baselines}
        unseen = np.ones(len(rows), bool)
        if champion is not None:
            known = dataset.read(champion.folders["preprocess"])
            _check_readable(challenger["ingest"], known.layout)
            unseen = _unseen_rows(data, known)
            tested = data.table[data.parts == "test"]
            errors[record.CHAMPION] = _champion_errors(champion.folders, known.layout, tested)
        errors = {name: values[unseen] for name, values in errors.items()}
        if data.layout.classes:
            return contest_of_classes(errors, rows["label"][unseen], challenger, champion)
        return Contest("mae", errors)


def errors_on_test(rows: pd.DataFrame, layout: Layout, name: str = MODEL) -> Values:
    """Return the errors of the model or a baseline that evaluate wrote for the rows of the test set."""
    if layout.classes:
        return misclassified(rows, None if name == MODEL else name)
    return np.asarray(np.abs(rows["y"].to_numpy() - rows[name].to_numpy()))


def _unseen_rows(data: Prepared, known: Prepared) -> Mask:
    """Return a mask of the challenger's test rows that neither model was trained or selected on, and both predict.

    Nor was a model trained or selected on other rows of their groups.
    """
    contents, champion_contents = (_contents(one.table, known.layout) for one in (data, known))
    tested, learned = data.table[data.parts == "test"], known.table[known.parts != "test"]
    unseen = example_diff.unseen_examples(
        contents[data.parts == "test"], contents[data.parts != "test"], champion_contents[known.parts != "test"]
    )
    if data.layout.group and data.layout.group in learned:
        groups = learned[data.layout.group]
        unseen &= ~tested[data.layout.group].isin(groups[~is_empty(groups)]).to_numpy()
    return unseen & _predictable(tested, known.layout)


def _predictable(rows: pd.DataFrame, layout: Layout) -> Mask:
    """Return which rows a champion predicts: one of an earlier version, which has no medians, none with empty cells."""
    if layout.median or not layout.numbers:
        return np.ones(len(rows), bool)
    return rows[layout.numbers].notna().all(axis=1).to_numpy()


def _contents(table: pd.DataFrame, layout: Layout | None = None) -> "pd.Series[Any]":
    """Return a hash of each row that does not depend on the order of the columns; those of a layout if it is given."""
    columns = sorted(table.columns) if layout is None else sorted([*layout.columns, layout.target])
    return pd.util.hash_pandas_object(table[columns], index=False).rename(CONTENT)


def _test_predictions(folders: Folders) -> pd.DataFrame:
    """Return the predictions of the test set, in the order of the table."""
    return read_predictions(folders["evaluate"], "test")


def _champion_errors(champion: Folders, layout: Layout, rows: pd.DataFrame) -> Values:
    """Return the errors of the champion's bundle: absolute ones of numbers, or 1 for a wrong class, else 0."""
    predicted: Values = bundle.load(champion["export"])(layout.inputs(rows)).astype(np.float64)
    truth = rows[layout.target]
    if not layout.classes:
        return np.asarray(np.abs(truth.to_numpy(np.float64) - predicted[:, 0]))
    named = np.array(layout.classes, object)[Decision.read(champion["export"]).labels(predicted)]
    return np.asarray(named != truth.to_numpy(object), np.float64)


def _check_readable(ingest: Path, layout: Layout) -> None:
    """Raise a `RequestError` unless an ingested table has the target and the columns that a champion reads."""
    summary = read_document(ingest / "summary.json")
    for what in ("target", "classes"):
        if (now := summary.get(what, [])) != (known := getattr(layout, what)):
            raise record.incomparable_error(f"the champion's {what} are {known}, those of the data {now}")
    for role, columns in layout.inputs_by_role.items():
        if not set(columns) <= set(now := summary.get(role, [])):
            raise record.incomparable_error(f"the champion's {role} are {columns}, those of the data {now}")


def _check_same_columns(now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise a `RequestError` unless the summaries of two tables have the same target, classes and columns."""
    for what in ("target", "classes", "numbers", "categories", "dates", "texts"):
        names, known = (columns.get(what, []) for columns in (now, before))
        if sorted(names) != sorted(known):
            raise record.incomparable_error(f"the champion's {what} are {known}, those of the data {names}")


RETRAINING = TableRetraining()

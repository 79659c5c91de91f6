"""Retraining on tables: new rows, drift, and the errors of champion, challenger and baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.errors import RequestError, short_repr
from gristmill.export import bundle
from gristmill.retraining import example_diff
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import CONTENT, Mask
from gristmill.retraining.example_drift import category_drift, example_error_drift, number_drift
from gristmill.retraining.gate import Contest
from gristmill.runs import retraining_record as record
from gristmill.runs.retraining_record import Champion, DataChanges, Drift, Folders, LostRows
from gristmill.runs.scores import MODEL, Scores
from gristmill.util.table_io import read_document, read_table


def news(ingest: Path, before: Path | None) -> DataChanges:
    """Count new and removed rows; a changed row is both."""
    now = read_table(ingest / "table.parquet")
    if before is None:
        return example_diff.compare_examples(_contents(now).to_frame(), None)
    then = read_table(before / "table.parquet")
    _check_same_columns(*(read_document(folder / "summary.json") for folder in (ingest, before)))
    return example_diff.compare_examples(_contents(now).to_frame(), _contents(then).to_frame())


def diff(ingest: Path, before: Path) -> pd.DataFrame:
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


def lost(ingest: Path, before: Path) -> LostRows:
    """Count the earlier rows that are missing."""
    now, then = (read_table(folder / "table.parquet") for folder in (ingest, before))

    def name(at: int) -> str:
        return ", ".join(
            f"{column} = {short_repr(value)}" for column, value in then.iloc[[at]].to_dict("records")[0].items()
        )

    return example_diff.lost_examples(_contents(now), _contents(then), name, "rows")


def drift(ingest: Path, champion: Champion) -> Drift:
    """Score the champion on rows that it has not seen, and compare them with its training data."""
    folders = champion.folders
    table, known = read_table(ingest / "table.parquet"), dataset.read(folders["preprocess"])
    layout = known.layout
    _check_same_columns(read_document(ingest / "summary.json"), vars(layout))
    new = table[~_contents(table).isin(_contents(known.table)).to_numpy()]
    if new.empty:
        return Drift(errors=None, inputs=[])
    trained, tested = known.table[known.parts == "train"], _test_predictions(folders)
    return combine_signs(
        errors=example_error_drift(
            np.abs(new[layout.target].to_numpy() - _champion_predictions(folders, layout, new)),
            np.abs(tested["y"].to_numpy() - tested[MODEL].to_numpy()),
        ),
        inputs=[
            *(
                number_drift(name, new[name].to_numpy(), trained[name].to_numpy())
                for name in [*layout.numbers, layout.target]
            ),
            *(category_drift(name, new[name], trained[name]) for name in layout.categories),
        ],
    )


def judgeable(challenger: Folders, champion: Champion) -> int:
    """Count the rows of the challenger's test set that neither model was trained or selected on."""
    known = dataset.read(champion.folders["preprocess"])
    return int(_unseen_rows(dataset.read(challenger["preprocess"]), known).sum())


def contest(challenger: Folders, champion: Champion | None) -> Contest:
    """Return the absolute errors of challenger, baselines and champion on the challenger's test set.

    With a champion, only rows that neither model was trained or selected on are used.
    """
    data, rows = dataset.read(challenger["preprocess"]), _test_predictions(challenger)
    baselines = Scores.read(challenger["evaluate"]).baselines
    predicted = {record.CHALLENGER: rows[MODEL].to_numpy()} | {name: rows[name].to_numpy() for name in baselines}
    unseen = np.ones(len(rows), bool)
    if champion is not None:
        known = dataset.read(champion.folders["preprocess"])
        unseen = _unseen_rows(data, known)
        predicted[record.CHAMPION] = _champion_predictions(
            champion.folders, known.layout, data.table[data.parts == "test"]
        )
    truth = rows["y"].to_numpy()
    return Contest("mae", {name: np.abs(truth - values)[unseen] for name, values in predicted.items()})


def _unseen_rows(data: Prepared, known: Prepared) -> Mask:
    """Return a mask of the challenger's test rows that neither model was trained or selected on."""
    _check_same_columns(vars(data.layout), vars(known.layout))
    contents, champion_contents = _contents(data.table), _contents(known.table)
    return example_diff.unseen_examples(
        contents[data.parts == "test"], contents[data.parts != "test"], champion_contents[known.parts != "test"]
    )


def _contents(table: pd.DataFrame) -> "pd.Series[Any]":
    """Return a hash of each row that does not depend on the order of the columns."""
    return pd.util.hash_pandas_object(table[sorted(table.columns)], index=False).rename(CONTENT)


def _test_predictions(folders: Folders) -> pd.DataFrame:
    """Return the predictions of the test set, in the order of the table."""
    return read_table(folders["evaluate"] / "predictions.parquet").query("part == 'test'")


def _champion_predictions(champion: Folders, layout: Layout, rows: pd.DataFrame) -> Values:
    """Return the predictions of the champion's bundle, (rows,)."""
    predicted: Values = bundle.load(champion["export"])(layout.inputs(rows))[:, 0].astype(np.float64)
    return predicted


def _check_same_columns(now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise a `RequestError` unless target, numbers and categories of two tables are the same."""
    for role in ("target", "numbers", "categories"):
        names, known = ([columns[role]] if role == "target" else sorted(columns[role]) for columns in (now, before))
        if names != known:
            raise record.incomparable_error(f"the champion's {role} are {known}, those of the data {names}")

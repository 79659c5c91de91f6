"""What a retraining asks of tables: which rows are new, how the champion fares on them, and who errs least."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import MODEL, Layout, Prepared, Values, raw_inputs
from gristmill.errors import short_repr
from gristmill.export import bundle
from gristmill.retraining import example_diff
from gristmill.retraining.drift import look_at_draws, look_at_mean_error, look_at_names, one_look
from gristmill.retraining.example_diff import CONTENT, Mask
from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import (
    CHALLENGER,
    CHAMPION,
    Champion,
    DataChanges,
    Drift,
    Folders,
    LostRows,
    incomparable_error,
)
from gristmill.util.table_io import read_document, read_table


def news(ingest: Path, before: Path | None) -> DataChanges:
    """Count the rows that are not among earlier ones, and those that are gone: a row that has changed is both.

    Args:
        ingest: folder of the table.
        before: folder of the earlier one; None if there is none.
    """
    now = read_table(ingest / "table.parquet")
    if before is None:
        return example_diff.compared(_contents(now).to_frame(), None)
    then = read_table(before / "table.parquet")
    _refuse_other_columns(
        _roles(read_document(ingest / "summary.json")), _roles(read_document(before / "summary.json"))
    )
    return example_diff.compared(_contents(now).to_frame(), _contents(then).to_frame())


def lost(ingest: Path, before: Path) -> LostRows:
    """Count the earlier rows that are missing.

    Args:
        ingest: folder of the table.
        before: folder of the earlier one.
    """
    now, then = (read_table(folder / "table.parquet") for folder in (ingest, before))

    def name(at: int) -> str:
        return ", ".join(f"{column} = {short_repr(value)}" for column, value in then.iloc[at].items())

    return example_diff.lost(_contents(now), _contents(then), name, "rows")


def drift(ingest: Path, champion: Champion) -> Drift:
    """Score the champion on rows that it has not seen, and compare their columns with those that it was trained on.

    Args:
        ingest: folder of the table.
        champion: the version that serves.
    """
    folders = champion.folders
    table, known = read_table(ingest / "table.parquet"), dataset.read(folders["preprocess"])
    layout = known.layout
    _refuse_other_columns(_roles(read_document(ingest / "summary.json")), _roles_of(layout))
    fresh = table[~_contents(table).isin(_contents(known.table)).to_numpy()]
    if fresh.empty:
        return Drift(errors=None, inputs=[])
    trained, tested = known.table[known.parts == "train"], _tested(folders)
    return one_look(
        errors=look_at_mean_error(
            np.abs(fresh[layout.target].to_numpy() - _served(folders, layout, fresh)),
            np.abs(tested["y"].to_numpy() - tested[MODEL].to_numpy()),
        ),
        inputs=[
            *(
                look_at_draws(name, fresh[name].to_numpy(), trained[name].to_numpy())
                for name in [*layout.numbers, layout.target]
            ),
            *(look_at_names(name, fresh[name], trained[name]) for name in layout.categories),
        ],
    )


def judgeable(challenger: Folders, champion: Champion) -> int:
    """Return how many rows of the challenger's test part neither model is trained or chosen on.

    Args:
        challenger: folders of its artifacts up to preprocess.
        champion: the version that serves.
    """
    known = dataset.read(champion.folders["preprocess"])
    return int(_unlearned(dataset.read(challenger["preprocess"]), known).sum())


def contest(challenger: Folders, champion: Champion | None) -> Contest:
    """Return the absolute errors of challenger, baselines and champion on the challenger's test part.

    Beside a champion those rows count that neither was trained or chosen on.

    Args:
        challenger: folders of its artifacts.
        champion: the version that serves; None without one.
    """
    data, rows = dataset.read(challenger["preprocess"]), _tested(challenger)
    baselines = read_document(challenger["evaluate"] / "scores.json")["baselines"]
    made = {CHALLENGER: rows[MODEL].to_numpy()} | {name: rows[name].to_numpy() for name in baselines}
    left = np.ones(len(rows), bool)
    if champion is not None:
        known = dataset.read(champion.folders["preprocess"])
        left = _unlearned(data, known)
        made[CHAMPION] = _served(champion.folders, known.layout, data.table[data.parts == "test"])
    truth = rows["y"].to_numpy()
    return Contest("mae", {name: np.abs(truth - values)[left] for name, values in made.items()})


def _unlearned(data: Prepared, known: Prepared) -> Mask:
    """Return which rows of a challenger's test part neither it nor the champion is trained or chosen on."""
    _refuse_other_columns(_roles_of(data.layout), _roles_of(known.layout))
    own, other = _contents(data.table), _contents(known.table)
    return example_diff.unlearned(own[data.parts == "test"], own[data.parts != "test"], other[known.parts != "test"])


def _contents(table: pd.DataFrame) -> "pd.Series[Any]":
    """Return a number for each row that is equal where all its values are, whatever the order of the columns."""
    return pd.util.hash_pandas_object(table[sorted(table.columns)], index=False).rename(CONTENT)


def _tested(folders: Folders) -> pd.DataFrame:
    """Return the predictions of a test part, in the order of the table."""
    return read_table(folders["evaluate"] / "predictions.parquet").query("part == 'test'")


def _served(champion: Folders, layout: Layout, rows: pd.DataFrame) -> Values:
    """Return what the champion's bundle predicts, (rows,)."""
    form = read_document(champion["export"] / "signature.json")["formats"][0]
    made = bundle.load(champion["export"], form)(raw_inputs(rows, layout.numbers, list(layout.categories)))
    predicted: Values = made[:, 0].astype(np.float64)
    return predicted


def _roles(summary: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        "target": [summary["target"]],
        "numbers": sorted(summary["numbers"]),
        "categories": sorted(summary["categories"]),
    }


def _roles_of(layout: Layout) -> dict[str, list[str]]:
    return _roles({"target": layout.target, "numbers": layout.numbers, "categories": list(layout.categories)})


def _refuse_other_columns(now: dict[str, list[str]], before: dict[str, list[str]]) -> None:
    for role, names in before.items():
        if now[role] != names:
            raise incomparable_error(f"the champion's {role} are {names}, those of the data {now[role]}")

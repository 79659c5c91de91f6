"""Leaderboard of the candidates of a run: their losses, weights, and costs."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gristmill.reports.scores import metric_name
from gristmill.reports.sections import Section, Table
from gristmill.scores import LEADERBOARD, Scores
from gristmill.settings.number_text import MISSING, format_numbers, whole_percents
from gristmill.store.artifact import Artifact
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import pandas as pd

_MB = 1e6


def leaderboard(artifacts: Mapping[str, Artifact], scores: Scores) -> "pd.DataFrame":
    """Return a row for each candidate, the lowest loss first, failed ones last.

    Columns: `candidate`; `loss` and its `standard_error` on the data of the selection; `weight` in the exported model;
    `test`, the headline metric on the test set, which is not used for selection; `seconds` to fit; `microseconds` for a
    prediction; `megabytes`; `failed`, the reason or an empty text.
    """
    table: pd.DataFrame = read_table(artifacts["select"].path / LEADERBOARD).drop(columns="baseline")
    scored = scores.baselines | scores.candidates
    measured = artifacts["evaluate"].manifest["measures"]
    trained = [artifacts.get(f"train {name}") for name in table["candidate"]]
    columns: dict[str, list[float | None]] = {
        "test": [scored[name]["test"][scores.metric] if name in scored else None for name in table["candidate"]],
        "seconds": [float(artifact.manifest["measures"]["seconds"]) if artifact else None for artifact in trained],
        "microseconds": [measured.get(name) for name in table["candidate"]],
        "megabytes": [artifact.bytes / _MB if artifact else None for artifact in trained],
    }
    for at, (name, values) in enumerate(columns.items()):
        table.insert(4 + at, name, values)
    return table


def leaderboard_section(table: "pd.DataFrame", scores: Scores, note: str) -> Section:
    """Return the leaderboard as a section of a report; the scores on the test set are collapsed."""
    compared = table[table["failed"] == ""]
    reasons = table[table["failed"] != ""].set_index("candidate")["failed"].str.rstrip(".")
    failed = [f"{name} left out: {reason}." for name, reason in reasons.items()]
    metric, on = (scores.selected.metric, scores.selected.on) if scores.selected else ("loss", "validation")
    headings = ["candidate", f"{metric_name(metric)} on {on}", "±", "weight", "fit s", "predict µs", "MB"]
    names = ("loss", "standard_error", "weight", "seconds", "microseconds", "megabytes")
    cells = [format_numbers(_known(compared[name]), digits=3) for name in names]
    cells[2] = [f"{percent}%" if percent else MISSING for percent in whole_percents(compared["weight"])]
    cells[4] = format_numbers(_known(compared["microseconds"]), digits=2)
    candidates, of_test = compared["candidate"].tolist(), format_numbers(_known(compared["test"]))
    title = "Scores on the test set, not used for selection"
    marks = {at: "in the model" for at, weight in enumerate(compared["weight"]) if weight > 0}
    tables = [
        Table.of_columns("", headings, [candidates, *cells], marks=marks),
        Table.of_columns(title, ["candidate", metric_name(scores.metric)], [candidates, of_test], folded=True),
    ]
    return Section("Leaderboard", " ".join([f"{note}.", *failed]), tables=tables)


def _known(values: "pd.Series[float]") -> list[float | None]:
    return [None if value is None or math.isnan(value) else float(value) for value in values]
